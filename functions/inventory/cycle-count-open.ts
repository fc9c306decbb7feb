import { z } from 'zod'
import { idempotently } from '../../shared/data/idempotency.ts'
import { isUniqueViolation, type Tx } from '../../shared/data/postgres.ts'
import { Rejected } from '../../shared/errors.ts'
import { publish } from '../../shared/events/outbox.ts'
import { Location, Reference, Sku } from '../../shared/fields.ts'
import { Reply } from '../../shared/function/operation.ts'
import { CountBody, countBody, type Progress, progressOf, readCount, wrongField } from './cycle-count.ts'
import { stockOperation } from './function.ts'

/** Lines of one count: more than a team counts in a night, and a second's work for the database. */
const most = 100_000

const toldConflicts = 20

export const openCount = stockOperation({
  id: 'count-open',
  route: 'POST /v1/counts',
  summary: 'Open a cycle count',
  description:
    'Notes version and units of each row that it covers: a whole location, SKUs that begin alike, or named SKUs. Stock goes on moving. A SKU of a location is in one open count at a time.',
  allow: ['stock:write'],
  idempotent: true,
  status: 201,
  problems: ['count_conflict'],
  example: { location: 'main', skuPrefix: '85', blind: true, reference: 'COUNT-2026-01' },
  input: z.strictObject({
    location: Location,
    skus: z.array(Sku).min(1).max(5_000).optional(),
    skuPrefix: z.string().trim().toUpperCase().min(1).max(64).optional(),
    blind: z.boolean().default(false).meta({ description: 'Hides what is expected on a line until it was counted.' }),
    reference: Reference.optional(),
  }),
  output: CountBody,
  async handle({ db, newId, now }, { location, skus, skuPrefix, blind, reference }, call) {
    if (skus && skuPrefix !== undefined) throw wrongField('skuPrefix', 'give either skus or skuPrefix')
    const scope = { location, skus: skus && [...new Set(skus)], skuPrefix }
    try {
      return await idempotently(db.inventory, call, async tx => {
        const id = newId()
        await tx`
          insert into cycle_count (id, location, sku_prefix, listed, blind, reference, opened_by, opened_at)
          values (${id}, ${location}, ${skuPrefix ?? null}, ${skus !== undefined}, ${blind}, ${reference ?? null}, ${call.subject}, ${now()})`
        await refuseConflicts(tx, scope)
        await snapshot(tx, id, scope)
        const progress = (await progressOf(tx, [id])).get(id) as Progress
        if (progress.total > most) throw wrongField('skuPrefix', `more than ${most} lines: count a part at a time`)
        const covers = { location, skuPrefix: skuPrefix ?? null, skus: scope.skus ?? null }
        const data = { countId: id, ...covers, lines: progress.total, openedAt: now().getTime() }
        await publish(tx, newId, [{ type: 'tidemark.count.opened.v1', data }])
        return Reply.of(201, countBody(await readCount(tx, id), progress))
      })
    } catch (error) {
      if (isUniqueViolation(error)) throw new Rejected('count_conflict')
      throw error
    }
  },
})

interface Scope {
  location: string
  skus: readonly string[] | undefined
  skuPrefix: string | undefined
}

/** Names what is in the way. The unique index catches what two open at the same time. */
async function refuseConflicts(tx: Tx, { location, skus, skuPrefix }: Scope): Promise<void> {
  const conflicts = await tx<{ sku: string; count: string }[]>`
    select sku, count_id as count from cycle_count_line
    where location = ${location} and state in ('open', 'entered', 'refused', 'approving')
      and (${skus ?? null}::text[] is null or sku = any (${skus ?? null}::text[]))
      and (${skuPrefix ?? null}::text is null or starts_with(sku, ${skuPrefix ?? null}))
    order by sku limit ${toldConflicts}`
  if (conflicts.length > 0) throw new Rejected('count_conflict', undefined, { conflicts: [...conflicts] })
}

/** One statement: version and units of a row belong together. A named SKU without stock is expected to be absent. */
const snapshot = (tx: Tx, id: string, { location, skus, skuPrefix }: Scope) =>
  skus
    ? tx`
        insert into cycle_count_line (count_id, sku, location, snapshot_version, snapshot_on_hand)
        select ${id}, named.sku, ${location}, coalesce(s.version, 0), coalesce(s.on_hand, 0)
        from unnest(${skus}::text[]) as named (sku) left join stock s on s.sku = named.sku and s.location = ${location}`
    : tx`
        insert into cycle_count_line (count_id, sku, location, snapshot_version, snapshot_on_hand)
        select ${id}, sku, location, version, on_hand from stock
        where location = ${location} and (${skuPrefix ?? null}::text is null or starts_with(sku, ${skuPrefix ?? null}))
        limit ${most + 1}`
