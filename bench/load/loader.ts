import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { Load, LoadResult } from './generator.ts'

export interface Loader {
  run(load: Omit<Load, 'firstKey'>): Promise<LoadResult>
  close(): void
}

/** Seconds beyond its own that a load may take. */
const grace = 15

/** Starts the process that makes the load. */
export async function startLoader(): Promise<Loader> {
  const child = fork(new URL('./process.ts', import.meta.url), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  await once(child, 'message')
  let firstKey = 0
  return {
    async run(load) {
      firstKey += 10_000_000
      child.send({ ...load, firstKey } satisfies Load)
      const [answer] = (await once(child, 'message', {
        signal: AbortSignal.timeout((load.warmUp + load.seconds + grace) * 1_000),
      })) as [{ result?: LoadResult; error?: string }]
      if (!answer.result) throw new Error(answer.error)
      return answer.result
    },
    close: () => child.disconnect(),
  }
}
