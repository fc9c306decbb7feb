import { randomUUID } from 'node:crypto'
import type { Kafka } from 'kafkajs'
import { databaseUrl } from '../../local/settings.ts'
import { eventCodec } from '../../shared/events/codec.ts'
import { exchange } from '../../shared/function/exchange.ts'
import { absolute, progress, quantile, type Result } from '../measure.ts'
import type { Stage } from '../stage.ts'
import { openTables } from '../stock/tables.ts'

const rate = 100
const seconds = 20
const warmUp = 3
const skus = 10_000

/**
 * Milliseconds from a reservation's answer to its event, as a consumer that waits for it sees it: its own fetch is counted too.
 * An event that was there before the answer counts as 0.
 */
export async function measureDelay(stage: Stage, kafka: Kafka): Promise<Result[]> {
  progress(`milliseconds from a reservation's answer to its event, at ${rate}/s:`)
  const tables = openTables(databaseUrl(stage.urls.postgres, 'inventory'), skus)
  await tables.reset()
  await tables.close()
  const [inventory] = await Promise.all([stage.start('inventory'), stage.start('outbox-relay')])
  const consumer = kafka.consumer({ groupId: `bench-${randomUUID()}`, maxWaitTimeInMs: 500 })
  const codec = eventCodec(stage.urls.registry)
  const arrived = new Map<string, number>()
  const joined = new Promise<void>(resolve => {
    consumer.on('consumer.group_join', () => resolve())
  })
  await consumer.connect()
  await consumer.subscribe({ topic: 'stock', fromBeginning: false })
  await consumer.run({
    async eachMessage({ message }) {
      const now = performance.now()
      const { reference } = await codec.decode('tidemark.stock.changed.v1', message.value as Buffer)
      if (reference) arrived.set(reference, now)
    },
  })
  await joined
  // Its first fetch says where each partition ends; what is written before that is not seen.
  await new Promise(resolve => setTimeout(resolve, 1_500))

  const token = await stage.token()
  const answered = new Map<string, number>()
  const reserve = async (number: number) => {
    const reference = `delay-${number}`
    const answer = await exchange({
      url: `http://127.0.0.1:${inventory.port}/v1/reservations`,
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'idempotency-key': reference },
      body: JSON.stringify({ lines: [{ sku: `SKU-${String((number * 7) % skus).padStart(5, '0')}`, quantity: 1 }], reference }),
      timeout: 10_000,
    })
    if (answer.status !== 201) throw new Error(`A reservation was answered ${answer.status}.`)
    if (number >= warmUp * rate) answered.set(reference, performance.now())
  }
  const start = performance.now()
  const outstanding: Promise<void>[] = []
  for (let number = 0; number < (warmUp + seconds) * rate; number++) {
    const due = start + (number * 1_000) / rate
    while (performance.now() < due) await new Promise(resolve => setTimeout(resolve, 1))
    outstanding.push(reserve(number))
  }
  await Promise.all(outstanding)
  for (const end = performance.now() + 5_000; performance.now() < end && ![...answered.keys()].every(key => arrived.has(key)); )
    await new Promise(resolve => setTimeout(resolve, 50))
  await consumer.disconnect()
  const took = [...answered].map(([key, at]) => Math.max((arrived.get(key) ?? Number.POSITIVE_INFINITY) - at, 0))
  progress(
    `  p50 ${quantile(took, 0.5).toFixed(1)}, p95 ${quantile(took, 0.95).toFixed(1)}, p99 ${quantile(took, 0.99).toFixed(1)}`,
  )
  return [absolute(`reservation's answer to its event in Kafka at ${rate}/s, p95`, 'ms', quantile(took, 0.95), { atMost: 50 })]
}
