import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeServicesData } from '../../local/services/start.ts'
import { type System, startSystem } from '../../local/system.ts'
import { absolute, progress, quantile, type Result } from '../measure.ts'
import { type Client, client } from './client.ts'
import { openReceiver, type Receiver } from './receiver.ts'

/** Sales a second that end in an alert; the whole way shares the machine with what it stands on. */
const rate = 5
const warmSales = 150
const warmUp = 25
const coldRounds = 4
/** Milliseconds without work after which a function of the local system ends. */
const idle = 3_000
const patience = 60_000

interface Way {
  readonly system: System
  readonly receiver: Receiver
  readonly request: Client
}

/** From the answer of the sale that brings a stock to its level until a provider is called: through Kafka three times, by four functions. */
export async function breach(): Promise<readonly Result[]> {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-bench-'))
  const receiver = await openReceiver()
  const close: (() => Promise<unknown>)[] = [async () => receiver.close(), () => removeServicesData(folder)]
  try {
    const env = { WEBHOOK_PRIVATE: 'true', RATE_WEBHOOK: '1000' }
    const system = await startSystem({ dataDir: folder, ports: 'free', idle, env, say: progress })
    close.push(() => system.stop())
    const way = { system, receiver, request: await client(system) }
    await toldByWebhook(way)
    return [...(await measureWarm(way)), ...(await measureFromZero(way))]
  } finally {
    for (const end of close.toReversed()) await end()
  }
}

/** Each alert goes to one webhook by itself and at once. */
async function toldByWebhook({ request, receiver }: Way): Promise<void> {
  const recipient = (await request('POST', '/v1/recipients', { name: 'Bench', roles: ['buyer'] })) as { id: string }
  await request('POST', `/v1/recipients/${recipient.id}/contacts`, { channel: 'webhook', address: receiver.url })
  await request('POST', '/v1/notifications/routes', {
    ...{ name: 'Bench', position: 1, receivers: [{ role: 'buyer' }], channels: ['webhook'], tellRecovery: [] },
    ...{ groupBy: ['sku'], groupWait: 0, groupInterval: 0, urgentGroupWait: 0, urgentGroupInterval: 0 },
  })
}

/** Half of the sales bring the stock to its level, half empty the shelf: those go by the urgent lane. */
async function stockUp({ request }: Way, skus: readonly string[]): Promise<void> {
  await request('PUT', '/v1/thresholds', { thresholds: skus.map(sku => ({ sku, level: 5 })) })
  await request('POST', '/v1/stock/receipts', { lines: skus.map(sku => ({ sku, quantity: 10 })) })
}

const skuOf = (round: string, number: number): string => `${round}-${number % 2 === 0 ? 'LOW' : 'OUT'}-${number}`

/** Sells, and notes when it was answered. */
async function sell({ request }: Way, sku: string): Promise<number> {
  await request('POST', '/v1/stock/sales', { lines: [{ sku, quantity: sku.includes('-OUT-') ? 10 : 5 }] })
  return performance.now()
}

async function toldOf({ receiver }: Way, sku: string): Promise<number> {
  for (const end = performance.now() + patience; performance.now() < end; await pause(5)) {
    const at = receiver.told.get(sku)
    if (at !== undefined) return at
  }
  throw new Error(`Nobody was told of ${sku} within ${patience} ms.`)
}

const pause = (milliseconds: number) => new Promise(resolve => setTimeout(resolve, milliseconds))

async function measureWarm(way: Way): Promise<Result[]> {
  progress(`milliseconds from a sale's answer to the provider's call, ${rate} sales a second:`)
  const skus = Array.from({ length: warmUp + warmSales }, (_, number) => skuOf('WARM', number))
  await stockUp(way, skus)
  const took: Promise<number>[] = []
  const start = performance.now()
  for (const [number, sku] of skus.entries()) {
    await pause(start + (number * 1_000) / rate - performance.now())
    took.push(sell(way, sku).then(async answered => Math.max((await toldOf(way, sku)) - answered, 0)))
  }
  const counted = (await Promise.all(took)).slice(warmUp)
  const of = (lane: string) => counted.filter((_, index) => skus[warmUp + index]?.includes(lane))
  progress(`  p50 ${quantile(counted, 0.5).toFixed(0)}, p95 ${quantile(counted, 0.95).toFixed(0)}`)
  return [
    absolute('breach to provider, warm, low stock, p50', 'ms', quantile(of('-LOW-'), 0.5), { atMost: 250 }),
    absolute('breach to provider, warm, low stock, p95', 'ms', quantile(of('-LOW-'), 0.95), { atMost: 250 }),
    absolute('breach to provider, warm, low stock, p99', 'ms', quantile(of('-LOW-'), 0.99), { atMost: 1_000 }),
    absolute('breach to provider, warm, out of stock, p95', 'ms', quantile(of('-OUT-'), 0.95), { atMost: 250 }),
    absolute('breach to provider, warm, out of stock, p99', 'ms', quantile(of('-OUT-'), 0.99), { atMost: 1_000 }),
    absolute('deliveries beyond one an alert', '', way.receiver.messages.length - skus.length, { atMost: 0 }),
  ]
}

const onTheWay = ['alerts-evaluate', 'notifications-plan', 'notifications-send'] as const

async function measureFromZero(way: Way): Promise<Result[]> {
  progress('milliseconds from a sale to the provider’s call, every function on the way that can being at zero:')
  const took: number[] = []
  for (let round = 0; round < coldRounds; round++) {
    const sku = skuOf(`COLD-${round}`, 0)
    await stockUp(way, [sku])
    for (const end = performance.now() + patience; ; await pause(200)) {
      if (onTheWay.every(name => way.system.pids(name).length === 0)) break
      if (performance.now() > end) throw new Error('The functions do not go to zero.')
    }
    const answered = await sell(way, sku)
    took.push((await toldOf(way, sku)) - answered)
    progress(`  round ${round + 1}: ${took.at(-1)?.toFixed(0)}`)
  }
  return [
    absolute('breach to provider, from zero, median', 'ms', quantile(took, 0.5), { atMost: 5_000 }),
    absolute('breach to provider, from zero, worst', 'ms', Math.max(...took), { atMost: 10_000 }),
  ]
}
