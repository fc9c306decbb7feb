import postgres from 'postgres'
import { quantile } from '../measure.ts'
import { reservationStatement } from './sql.ts'

interface Job {
  url: string
  uuid: string
  run: string
  clients: number
  skus: number
  seconds: number
  rate?: number
}

/** What pgbench does, for a machine without it: so many clients, each with one transaction after another. A process of its own. */
process.once('message', async (job: Job) => {
  const sql = postgres(job.url, { max: job.clients, onnotice: () => {} })
  const statement = reservationStatement({ sku: '$1', key: '$2::text' }, job.uuid)
  const took: number[] = []
  const connections = await Promise.all(Array.from({ length: job.clients }, () => sql.reserve()))
  const start = performance.now()
  const until = start + job.seconds * 1_000
  const work = async (connection: (typeof connections)[number], client: number) => {
    for (let n = 0; performance.now() < until; n++) {
      const due = job.rate === undefined ? 0 : start + (n * 1_000) / job.rate
      if (due > performance.now()) await new Promise(resolve => setTimeout(resolve, due - performance.now()))
      const began = performance.now()
      const sku = `SKU-${String(Math.floor(Math.random() * job.skus)).padStart(5, '0')}`
      await connection.unsafe(statement, [sku, `${job.run}-${client}-${n}`], { prepare: true })
      took.push(performance.now() - began)
    }
  }
  await Promise.all(connections.map(work))
  const seconds = (performance.now() - start) / 1_000
  process.send?.({ tps: took.length / seconds, p50: quantile(took, 0.5), p99: quantile(took, 0.99) }, () => process.exit(0))
})
