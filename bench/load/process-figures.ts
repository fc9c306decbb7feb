import { readFile } from 'node:fs/promises'

/** MiB that a process has in memory. */
export async function resident(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1_024
}

/** Shares of the time. */
export interface Processor {
  readonly ran: number
  /** It could have run, and others had the cores. */
  readonly waited: number
}

/** What a process's first thread, which is the one that serves, gets of the processor from now on. */
export async function processor(pid: number): Promise<{ since(): Promise<Processor> }> {
  const read = async () => {
    const [ran = 0, waited = 0] = (await readFile(`/proc/${pid}/task/${pid}/schedstat`, 'utf8')).split(' ').map(Number)
    return { ran, waited, at: performance.now() }
  }
  const from = await read()
  return {
    async since() {
      const now = await read()
      const nanoseconds = (now.at - from.at) * 1e6
      return { ran: (now.ran - from.ran) / nanoseconds, waited: (now.waited - from.waited) / nanoseconds }
    },
  }
}
