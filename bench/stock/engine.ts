import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { EngineJob } from './engine-process.ts'

/** The engine in a process of its own, as the load is: neither shares a thread with what it is compared with. */
export interface Engine {
  /** Reservations a second. */
  run(job: Omit<EngineJob, 'run'>): Promise<number>
  close(): void
}

export async function openEngine(url: string): Promise<Engine> {
  const child = fork(new URL('./engine-process.ts', import.meta.url), [url], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  await once(child, 'message')
  let runs = 0
  return {
    async run(job) {
      child.send({ ...job, run: `engine${++runs}` } satisfies EngineJob)
      const [told] = (await once(child, 'message', { signal: AbortSignal.timeout((job.seconds + 15) * 1_000) })) as [
        { perSecond: number },
      ]
      return told.perSecond
    },
    close: () => child.disconnect(),
  }
}
