import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { Job } from './drain-process.ts'

export interface Drained {
  readonly perSecond: number
}

/** Milliseconds a drain may take. */
const patience = 60_000

/** Runs one job in a process of its own. */
export async function drain(job: Job): Promise<Drained> {
  const child = fork(new URL('./drain-process.ts', import.meta.url), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    execArgv: ['--disable-warning=TimeoutNegativeWarning'],
  })
  try {
    child.send(job)
    const [told] = (await once(child, 'message', { signal: AbortSignal.timeout(patience) })) as [Drained | { error: string }]
    await once(child, 'exit')
    if ('error' in told) throw new Error(told.error)
    return told
  } finally {
    if (child.exitCode === null) child.kill('SIGKILL')
  }
}
