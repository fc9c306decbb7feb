import { alternate, compared, progress, type Result } from '../measure.ts'
import { type Bench, skus } from './reservations.ts'

const rounds = 5
const rate = 500
const seconds = 5
const warmUp = 1

type Side = 'ours' | 'reference'

/**
 * A reservation at 500 a second, sent at their times, against what it cannot do without: an empty handler at the same rate, and one
 * commit of the same rows by one client at a time.
 */
export async function measureLatency(bench: Bench): Promise<Result[]> {
  progress(`milliseconds of a reservation at ${rate}/s:`)
  const p99: Record<Side, number>[] = []
  let current = { ours: 0, reference: 0 }
  const p50 = await alternate(
    rounds,
    {
      async ours() {
        await bench.tables.reset()
        const took = await bench.reserve(bench.grouped, { rate, warmUp, seconds })
        current.ours = took.p99
        return took.p50
      },
      async reference() {
        await bench.tables.reset()
        const empty = await bench.reserve(bench.empty, { rate, warmUp, seconds })
        const commit = await bench.clients.alone({ skus, seconds: 3, rate: 100 })
        current.reference = empty.p99 + commit.p99
        progress(
          `    empty handler p50 ${empty.p50.toFixed(2)} p99 ${empty.p99.toFixed(2)}, commit p50 ${commit.p50.toFixed(2)} p99 ${commit.p99.toFixed(2)}`,
        )
        return empty.p50 + commit.p50
      },
    },
    text => {
      progress(`${text}; p99 ours ${current.ours.toFixed(2)}, reference ${current.reference.toFixed(2)}`)
      p99.push(current)
      current = { ours: 0, reference: 0 }
    },
  )
  const against = (share: string, measured: readonly Record<Side, number>[], atMost: number) =>
    compared(`reservation at ${rate}/s, ${share}, against an empty handler and one commit`, 'ms', measured, 'ours', 'reference', {
      atMost,
    })
  return [against('p50', p50, 2), against('p99', p99, 3)]
}
