import { databaseUrl } from '../../local/settings.ts'
import { startLoader } from '../load/loader.ts'
import { processor, resident } from '../load/process-figures.ts'
import { progress, type Result } from '../measure.ts'
import { openStage } from '../stage.ts'
import { bystanders } from './bystanders.ts'
import { judged, type Point, table, tell } from './overload-curve.ts'
import { openTables } from './tables.ts'

const skus = 10_000
const rounds = 3
const shares = [0.5, 0.8, 1, 1.5, 2, 3] as const
/** Connections that wait for their answers: as many as the stock bench has. */
const few = 64
/** So many that it is the function that says no, and not a client that waits for its turn. */
const many = 3_000
const seconds = 4
const warmUp = 1

/** Reservations offered at their times, up to three times what 64 connections get done that wait for their answers. */
export async function overload(): Promise<readonly Result[]> {
  const stage = await openStage(['postgres'])
  const loader = await startLoader()
  const tables = openTables(databaseUrl(stage.urls.postgres, 'inventory'), skus)
  try {
    const inventory = await stage.start('inventory')
    const authorization = `Bearer ${await stage.token()}`
    const request = {
      method: 'POST',
      path: '/v1/reservations',
      headers: { authorization, 'content-type': 'application/json', 'idempotency-key': 'bench-{key}' },
      body: '{"lines":[{"sku":"SKU-{sku}","quantity":1}]}',
    }
    const load = { port: inventory.port, request, status: 201, refusal: 503, skus }

    async function capacityNow(): Promise<number> {
      await tables.reset()
      return (await loader.run({ ...load, connections: few, seconds: 2, warmUp: 0.7 })).perSecond
    }

    /** What the machine gives changes within seconds, so each point has a capacity of its own. */
    async function measured(share: number): Promise<Point> {
      const capacity = await capacityNow()
      await tables.reset()
      const [before, ran] = await Promise.all([resident(inventory.pid), processor(inventory.pid)])
      const beside = bystanders(inventory.port, authorization, warmUp + seconds)
      const result = await loader.run({ ...load, connections: many, seconds, warmUp, rate: share * capacity })
      return {
        ...{ share, capacity, ...result, beside: await beside },
        ...{ memory: { before, after: await resident(inventory.pid) }, processor: await ran.since() },
        kept: await tables.reservations(),
      }
    }

    await capacityNow()
    const points: Point[] = []
    for (let round = 1; round <= rounds; round++) {
      progress(`round ${round}: offered over ${many} connections, against what ${few} that wait get done just before:`)
      for (const share of shares) {
        const point = await measured(share)
        points.push(point)
        tell(point)
      }
    }
    progress(table(points))
    return judged(points)
  } finally {
    loader.close()
    await tables.close()
    await stage.close()
  }
}
