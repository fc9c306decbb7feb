import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import postgres from 'postgres'
import { functions } from '../../functions/index.ts'
import { databaseUrl } from '../../local/settings.ts'
import type { TidemarkFunction } from '../../shared/function/declare.ts'
import { processor } from '../load/process-figures.ts'
import { absolute, alternate, compared, progress, type Result } from '../measure.ts'
import { openStage } from '../stage.ts'
import type { Delivered, Deliveries } from './deliveries.ts'
import { skus } from './stock-events.ts'

const rounds = 3
const connections = 64
/** Thresholds of what does not move meanwhile: with those of the SKUs that do, the requirement's million. */
const others = 1_000_000 - skus

/** Events a second that are to be judged without end. */
const wanted = 1_000

/** Stock events through alerts-evaluate, with a rule of each type for every SKU, against the same host with an empty handler. */
export async function evaluateBench(): Promise<readonly Result[]> {
  const stage = await openStage(['postgres', 'registry'])
  const sql = postgres(databaseUrl(stage.urls.postgres, 'alerts'), { max: 1, onnotice: () => {} })
  try {
    await setRules(sql)
    const evaluate = (await functions['alerts-evaluate']?.()) as TidemarkFunction
    const emptyFunction = join(import.meta.dirname, 'empty-event.ts')
    const [judging, empty] = await Promise.all([
      stage.start('alerts-evaluate'),
      stage.startProgram('empty', [process.execPath, emptyFunction], stage.environment(evaluate)),
    ])
    const send = (port: number, load: Pick<Deliveries, 'seconds' | 'warmUp' | 'rate'>) =>
      deliver({ ...load, port, connections, registryUrl: stage.urls.registry })
    // Each load begins with the first version of every SKU.
    const forget = () => sql`truncate stock_seen, alert, alert_history, breach, outbox`
    const sides = {
      judged: async () => {
        await forget()
        return (await send(judging.port, { seconds: 5, warmUp: 2 })).perSecond
      },
      empty: async () => (await send(empty.port, { seconds: 5, warmUp: 2 })).perSecond,
    }
    progress(`stock events a second, with four rules for each of ${skus} SKUs, among a million thresholds:`)
    const measured = await alternate(rounds, sides, progress)
    await forget()
    const own = await processor(judging.pid)
    const steady = await send(judging.port, { seconds: 15, warmUp: 2, rate: wanted })
    const { ran, waited } = await own.since()
    const [told] = await sql<{ raised: number; standing: number }[]>`
      select count(*)::int as raised, count(*) filter (where state <> 'resolved')::int as standing from alert`
    progress(
      `  at ${wanted}/s the function ran ${share(ran)} of the time; for ${share(waited)} it could have, and others had the cores`,
    )
    progress(
      `  at ${wanted}/s: p50 ${ms(steady.p50)}, p95 ${ms(steady.p95)}, p99 ${ms(steady.p99)}; ${told?.raised} alerts raised`,
    )
    return [
      compared('stock events judged against an empty handler', '/s', measured, 'judged', 'empty', { atLeast: 0.2 }),
      absolute('stock events judged as fast as they come', '/s', Math.max(...measured.map(round => round.judged)), {
        atLeast: wanted,
      }),
      absolute(`stock events judged when ${wanted}/s come`, '/s', steady.perSecond, { atLeast: wanted * 0.99 }),
      absolute(`an event's time at ${wanted}/s, p95`, 'ms', steady.p95, { atMost: 100 }),
    ]
  } finally {
    await sql.end()
    await stage.close()
  }
}

const share = (value: number) => `${(value * 100).toFixed(0)} %`
const ms = (value: number) => `${value.toFixed(1)} ms`

async function deliver(load: Deliveries): Promise<Delivered> {
  const script = join(import.meta.dirname, 'deliveries.ts')
  const { stdout } = await promisify(execFile)(process.execPath, [script, JSON.stringify(load)], { timeout: 90_000 })
  return JSON.parse(stdout) as Delivered
}

/** An absolute level for each place, and what is inherited from the SKU's category, the location and by default; eight weeks of sales. */
async function setRules(sql: postgres.Sql): Promise<void> {
  await sql.unsafe(`
    insert into threshold (sku, location, category, rule, level, critical_level, resolve_above, updated_at, updated_by)
      select 'SKU-' || lpad(n::text, 5, '0'), 'main', '', 'absolute', 20, 8, 25, now(), 'bench' from generate_series(0, ${skus - 1}) n
      union all select 'OTHER-' || n, 'main', '', 'absolute', 20, 8, 25, now(), 'bench' from generate_series(1, ${others}) n
      union all select '', '', 'category-' || n, 'days_of_cover', 3, 1, 4, now(), 'bench' from generate_series(0, 99) n
      union all select '', 'main', '', 'percentage', 15, 5, 17, now(), 'bench'
      union all select '', '', '', 'forecast', 2, null, 3, now(), 'bench';
    insert into sku_profile (sku, category, lead_time_days, pack_size, minimum_order, updated_at, updated_by)
      select 'SKU-' || lpad(n::text, 5, '0'), 'category-' || n % 100, 5, 6, 0, now(), 'bench' from generate_series(0, ${skus - 1}) n;
    insert into sales (sku, location, day, units)
      select 'SKU-' || lpad(n::text, 5, '0'), 'main', current_date - 1, (select array_agg((n + d) % 4) from generate_series(1, 56) d)
      from generate_series(0, ${skus - 1}) n;
    analyze`)
}
