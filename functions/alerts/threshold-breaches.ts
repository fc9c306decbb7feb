import type { Tx } from '../../shared/data/postgres.ts'
import type { JudgedRule } from './threshold-judged.ts'

/** Notes the breaches that wait, and forgets those that are an alert now or none any more. */
export function applyBreaches(tx: Tx, judged: readonly JudgedRule[]): PromiseLike<unknown>[] {
  const waiting = judged.flatMap(({ stock, rule, waiting: one }) => (one ? [{ ...stock, rule, ...one }] : []))
  const over = judged.filter(one => one.breachedSince && !one.waiting)
  return [...(waiting.length > 0 ? [upsertBreaches(tx, waiting)] : []), ...(over.length > 0 ? [deleteBreaches(tx, over)] : [])]
}

interface Waiting {
  readonly sku: string
  readonly location: string
  readonly rule: string
  readonly since: Date
  readonly dueAt: Date
}

const upsertBreaches = (tx: Tx, rows: readonly Waiting[]) => tx`
  insert into breach (sku, location, rule, since, due_at)
  select * from unnest(
    ${rows.map(row => row.sku)}::text[], ${rows.map(row => row.location)}::text[], ${rows.map(row => row.rule)}::text[],
    ${rows.map(row => row.since.toISOString())}::timestamptz[], ${rows.map(row => row.dueAt.toISOString())}::timestamptz[])
  on conflict (sku, location, rule) do update set due_at = excluded.due_at where breach.due_at <> excluded.due_at`

const deleteBreaches = (tx: Tx, rows: readonly JudgedRule[]) => tx`
  delete from breach using unnest(
    ${rows.map(({ stock }) => stock.sku)}::text[], ${rows.map(({ stock }) => stock.location)}::text[],
    ${rows.map(({ rule }) => rule)}::text[]
  ) as over (sku, location, rule)
  where (breach.sku, breach.location, breach.rule) = (over.sku, over.location, over.rule)`
