import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * When a process started, as text that no later process with the same pid repeats; undefined when it is gone.
 * A zombie counts as gone: in a container whose init reaps nobody it would stay for ever.
 */
export function startOf(pid: number): string | undefined {
  if (process.platform === 'linux') {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      // The command's name stands in brackets and may hold spaces and brackets itself.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      if (fields[0] === 'Z' || fields[0] === 'X') return undefined
      // Ticks since boot repeat after a reboot, hence the boot's own id.
      return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}:${fields[19]}`
    } catch {
      return undefined
    }
  }
  const { status, stdout } = spawnSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8' })
  const [state, ...started] = stdout.trim().split(/\s+/)
  if (status !== 0 || state === undefined || state.startsWith('Z')) return undefined
  return started.join(' ')
}

export function commandOf(pid: number): string {
  if (process.platform === 'linux') {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
    } catch {
      return ''
    }
  }
  return spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).stdout
}

/** Signals without failing when the process went in between. `-pid` is its group. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Ends exactly the process that started then: asks, waits, and only then kills its group. */
export async function endProcess(pid: number, started: string, ask: NodeJS.Signals, withinMs: number): Promise<void> {
  const alive = () => startOf(pid) === started
  if (!alive()) return
  signal(pid, ask)
  const deadline = performance.now() + withinMs
  while (alive() && performance.now() < deadline) await sleep(50)
  if (!alive()) return
  signal(-pid, 'SIGKILL')
  while (alive() && performance.now() < deadline + 5_000) await sleep(20)
}
