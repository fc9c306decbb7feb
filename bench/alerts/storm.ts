import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeServicesData } from '../../local/services/start.ts'
import { startSystem } from '../../local/system.ts'
import { absolute, progress, quantile, type Result } from '../measure.ts'
import { type Client, client } from './client.ts'
import { openReceiver, type Receiver } from './receiver.ts'

/** SKUs that fall to their level together, and those of them whose shelf is empty. */
const skus = 5_000
const empty = 500
const linesOfSale = 500
const patience = 180_000
const groupInterval = 5

/** 5,000 SKUs fall to their level at once, on the whole local system: how many messages it makes, which come first, and what else still works. */
export async function storm(): Promise<readonly Result[]> {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-bench-'))
  const receiver = await openReceiver()
  const close: (() => Promise<unknown>)[] = [async () => receiver.close(), () => removeServicesData(folder)]
  try {
    const system = await startSystem({ dataDir: folder, ports: 'free', env: { WEBHOOK_PRIVATE: 'true' }, say: progress })
    close.push(() => system.stop())
    const request = await client(system)
    await prepare(request, receiver)
    return await measure(request, receiver)
  } finally {
    for (const end of close.toReversed()) await end()
  }
}

const skuOf = (number: number): string => `STORM-${number}`
const isEmptied = (number: number): boolean => number % (skus / empty) === 0

function chunks<T>(of: (number: number) => T): T[][] {
  return Array.from({ length: skus / linesOfSale }, (_, chunk) =>
    Array.from({ length: linesOfSale }, (_, line) => of(chunk * linesOfSale + line)),
  )
}

async function prepare(request: Client, receiver: Receiver): Promise<void> {
  const recipient = (await request('POST', '/v1/recipients', { name: 'Bench', roles: ['buyer'] })) as { id: string }
  await request('POST', `/v1/recipients/${recipient.id}/contacts`, { channel: 'webhook', address: receiver.url })
  await request('POST', '/v1/notifications/routes', {
    ...{ name: 'Bench', position: 1, receivers: [{ role: 'buyer' }], channels: ['webhook'], tellRecovery: [], groupInterval },
  })
  for (const thresholds of chunks(number => ({ sku: skuOf(number), level: 5 })))
    await request('PUT', '/v1/thresholds', { thresholds })
  for (const lines of chunks(number => ({ sku: skuOf(number), quantity: 10 })))
    await request('POST', '/v1/stock/receipts', { lines })
  await until('every receipt was judged', async () => {
    await pause(1_000)
    return ((await request('GET', '/v1/events/backlog')) as { drained: boolean }).drained
  })
}

async function measure(request: Client, receiver: Receiver): Promise<Result[]> {
  const looks: number[] = []
  let isOver = false
  const looking = (async () => {
    for (; !isOver; await pause(100)) {
      const began = performance.now()
      await request('GET', `/v1/stock/${skuOf(0)}/main`)
      looks.push(performance.now() - began)
    }
  })()
  const start = performance.now()
  const sales = chunks(number => ({ sku: skuOf(number), quantity: isEmptied(number) ? 10 : 5 }))
  await Promise.all(sales.map(lines => request('POST', '/v1/stock/sales', { lines })))
  const sold = performance.now()
  progress(`  sold within ${Math.round(sold - start)} ms`)
  const urgentAt = await until('all that is out of stock was told', async () => receiver.count('urgent') >= empty)
  const allAt = await until('all was told', async () => receiver.count('urgent') + receiver.count('normal') >= skus)
  await pause(3 * groupInterval * 1_000)
  isOver = true
  await looking
  const { alertsTold, failed } = (await request('GET', '/v1/notifications/summary')) as { alertsTold: number; failed: number }
  progress(`  messages: ${receiver.messages.map(({ lane, count }) => `${lane} ${count}`).join(', ')}`)
  return [
    absolute('messages about 5,000 alerts', '', receiver.messages.length, { atMost: 40 }),
    absolute('alerts told', '', alertsTold, { atLeast: skus }),
    absolute(
      'alerts told twice, and messages that failed',
      '',
      receiver.count('urgent') + receiver.count('normal') - skus + failed,
      { atMost: 0 },
    ),
    absolute('from the sales until all that is out of stock was told', 'ms', urgentAt - sold, { atMost: 60_000 }),
    absolute('from the sales until all was told', 'ms', allAt - sold, { atMost: 120_000 }),
    absolute('reading a level meanwhile, p99', 'ms', quantile(looks, 0.99), { atMost: 2_000 }),
  ]
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<number> {
  for (const end = performance.now() + patience; performance.now() < end; await pause(20))
    if (await isSo()) return performance.now()
  throw new Error(`Not within ${patience} ms: ${what}.`)
}

const pause = (milliseconds: number) => new Promise(resolve => setTimeout(resolve, milliseconds))
