import { alternate, compared, progress, type Result } from '../measure.ts'
import { openStage } from '../stage.ts'
import { measureLatency } from './latency.ts'
import { type Bench, linesOfReceipt, openBench, skus } from './reservations.ts'

const rounds = 5
const seconds = 3
const warmUp = 0.7
const clients = 16

/** Reservations and receipts with everything that makes them safe: token, schema, idempotency, ledger, reservation, outbox, fsync. */
export async function stock(): Promise<readonly Result[]> {
  const stage = await openStage(['postgres'])
  try {
    const bench = await openBench(stage)
    await warm(bench)
    const results = [
      ...(await measureSpread(bench)),
      await measureHot(bench),
      ...(await measureEngine(bench)),
      await measureBulk(bench),
      ...(await measureLatency(bench)),
    ]
    await bench.close()
    return results
  } finally {
    await stage.close()
  }
}

/** Code is compiled, statements are prepared, connections are open before anything counts. */
async function warm({ tables, reserve, grouped, single, empty, receive, engine }: Bench): Promise<void> {
  await tables.reset()
  await engine.run({ callers, skus, seconds: 2 })
  for (const process of [grouped, single, empty]) await reserve(process, { warmUp: 0, seconds: 3 })
  await receive(grouped, { warmUp: 0, seconds: 2 })
}

/** Every run begins with the same tables. */
const fresh =
  ({ tables }: Bench, run: () => Promise<number>) =>
  async () => {
    await tables.reset()
    return run()
  }

async function measureSpread(bench: Bench): Promise<Result[]> {
  progress(`reservations of one line, over ${skus} SKUs, a second:`)
  const over = (process: 'grouped' | 'single' | 'empty') =>
    fresh(bench, async () => (await bench.reserve(bench[process], { warmUp, seconds })).perSecond)
  const measured = await alternate(
    rounds,
    {
      ours: over('grouped'),
      single: over('single'),
      database: fresh(bench, () => bench.clients.run({ clients, skus, seconds })),
      empty: over('empty'),
    },
    progress,
  )
  const against = (name: string, reference: 'single' | 'database' | 'empty', atLeast: number) =>
    compared(`reservations over HTTP against ${name}`, '/s', measured, 'ours', reference, { atLeast })
  return [
    against('one transaction a request', 'single', 2),
    against(`${clients} clients of ${bench.clientsName} without HTTP`, 'database', 1),
    against('an empty handler', 'empty', 0.6),
  ]
}

async function measureHot(bench: Bench): Promise<Result> {
  progress('reservations of one hot SKU, a second:')
  const measured = await alternate(
    rounds,
    {
      ours: fresh(bench, async () => (await bench.reserve(bench.grouped, { skus: 1, warmUp, seconds })).perSecond),
      database: fresh(bench, () => bench.clients.run({ clients, skus: 1, seconds })),
    },
    progress,
  )
  const name = `reservations over HTTP of one hot SKU against ${clients} clients of ${bench.clientsName} on one row`
  return compared(name, '/s', measured, 'ours', 'database', { atLeast: 2.5 })
}

/** Callers in the same process: as many as requests that a warm function has in flight. */
const callers = 256

async function measureEngine(bench: Bench): Promise<Result[]> {
  const against = async (about: string, skus: number, atLeast: number) => {
    progress(`reservations in process, ${about}, a second:`)
    const measured = await alternate(
      rounds,
      {
        ours: fresh(bench, () => bench.engine.run({ callers, skus, seconds })),
        database: fresh(bench, () => bench.clients.run({ clients, skus, seconds })),
      },
      progress,
    )
    const name = `reservations in process without HTTP, ${about}, against ${clients} clients of ${bench.clientsName}`
    return compared(name, '/s', measured, 'ours', 'database', { atLeast })
  }
  return [await against('spread', skus, 2), await against('one hot SKU', 1, 8)]
}

async function measureBulk(bench: Bench): Promise<Result> {
  progress(`lines of receipts with ${linesOfReceipt} lines, a second:`)
  const measured = await alternate(
    rounds,
    {
      ours: fresh(bench, async () => (await bench.receive(bench.grouped, { warmUp, seconds })).perSecond * linesOfReceipt),
      database: fresh(bench, () => bench.clients.run({ clients, skus, seconds })),
    },
    progress,
  )
  const name = `stock lines over HTTP, ${linesOfReceipt} a receipt, against ${clients} clients of ${bench.clientsName}`
  return compared(name, ' lines/s', measured, 'ours', 'database', { atLeast: 6 })
}
