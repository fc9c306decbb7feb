import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { LoadResult } from '../load/generator.ts'
import { startLoader } from '../load/loader.ts'
import { absolute, alternate, compared, median, progress, type Result } from '../measure.ts'
import { openStage, type Process } from '../stage.ts'

const rounds = 5
const seconds = 4
const warmUp = 0.7
const connections = 64
/** Requests a second at which the latency is compared: about a fifth of what the gateway carries. */
const rate = 500

/** The gateway with its token check and its rate limit on Redis, against a proxy that only pipes; both on the same core. */
export async function gatewayBench(): Promise<readonly Result[]> {
  const stage = await openStage(['redis'])
  try {
    const script = (name: string) => join(import.meta.dirname, `${name}.ts`)
    // One core for what is measured, the others for what it talks to: else they push each other aside.
    const pinned = spawnSync('taskset', ['-c', '0', 'true']).status === 0 ? ['taskset', '-c', '0'] : []
    const upstream = await stage.startProgram('upstream', [process.execPath, script('upstream')], {})
    const upstreamUrl = `http://127.0.0.1:${upstream.port}`
    const gateway = await stage.start('gateway', {
      before: pinned,
      extra: { FUNCTION_URL: `${upstreamUrl}/{name}`, RATE_LIMIT_REQUESTS: '1000000000' },
    })
    const bareCommand = [...pinned, process.execPath, script('bare-proxy')] as unknown as [string, ...string[]]
    const bare = await stage.startProgram('bare-proxy', bareCommand, { UPSTREAM_URL: upstreamUrl })
    const loader = await startLoader()
    const headers = { authorization: `Bearer ${await stage.token()}`, accept: 'application/json' }
    const request = { method: 'GET', path: '/v1/orders?limit=10', headers, body: '' }
    const load = (to: Process, more: { seconds: number; warmUp: number; rate?: number }): Promise<LoadResult> =>
      loader.run({ port: to.port, request, status: 200, connections, skus: 1, ...more })

    for (const process of [gateway, bare]) await load(process, { warmUp: 0, seconds: 3 })
    progress(`requests a second${pinned.length > 0 ? ', both on core 0' : ''}:`)
    const throughput = await alternate(
      rounds,
      {
        gateway: async () => (await load(gateway, { warmUp, seconds })).perSecond,
        bare: async () => (await load(bare, { warmUp, seconds })).perSecond,
      },
      progress,
    )
    progress(`milliseconds at ${rate}/s:`)
    const p99 = { gateway: [] as number[], bare: [] as number[] }
    const latency = (side: 'gateway' | 'bare', to: Process) => async () => {
      const took = await load(to, { rate, warmUp, seconds })
      p99[side].push(took.p99)
      return took.p50
    }
    const p50 = await alternate(rounds, { gateway: latency('gateway', gateway), bare: latency('bare', bare) }, progress)
    loader.close()
    const added = (measured: readonly { gateway: number; bare: number }[]) =>
      median(measured.map(round => round.gateway - round.bare))
    const p99Rounds = p99.gateway.map((value, round) => ({ gateway: value, bare: p99.bare[round] as number }))
    return [
      compared('requests through the gateway against a bare proxy', '/s', throughput, 'gateway', 'bare', { atLeast: 0.5 }),
      absolute(`latency that the gateway adds to a bare proxy's at ${rate}/s, p50`, 'ms', added(p50), { atMost: 1 }),
      absolute(`latency that the gateway adds to a bare proxy's at ${rate}/s, p99`, 'ms', added(p99Rounds), { atMost: 5 }),
    ]
  } finally {
    await stage.close()
  }
}
