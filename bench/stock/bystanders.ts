import { exchange } from '../../shared/function/exchange.ts'
import { quantile } from '../measure.ts'

/** Milliseconds that others waited while the load was on, p99. Whoever got no good answer waited for ever. */
export interface Bystanders {
  readonly probe: number
  readonly read: number
}

const pause = 50

/** Asks the readiness probe and for one SKU's level, twenty times a second each, for so many seconds. */
export async function bystanders(port: number, authorization: string, seconds: number): Promise<Bystanders> {
  const until = performance.now() + seconds * 1_000
  const ask = async (path: string): Promise<number> => {
    const took: number[] = []
    while (performance.now() < until) {
      const began = performance.now()
      const status = await exchange({
        url: `http://127.0.0.1:${port}${path}`,
        method: 'GET',
        headers: { authorization },
        timeout: 5_000,
      }).then(
        answer => answer.status,
        () => 0,
      )
      took.push(status === 200 ? performance.now() - began : Number.POSITIVE_INFINITY)
      await new Promise(resolve => setTimeout(resolve, pause))
    }
    return quantile(took, 0.99)
  }
  const [probe, read] = await Promise.all([ask('/health/readiness'), ask('/v1/stock/SKU-00001/main')])
  return { probe, read }
}
