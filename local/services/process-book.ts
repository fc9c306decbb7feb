import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { endProcess, startOf } from './process-identity.ts'
import type { Say } from './service.ts'

interface Entry {
  name: string
  pid: number
  started: string
  stopSignal: NodeJS.Signals
}
interface Page {
  owner: { pid: number; started: string }
  children: Entry[]
}

/** The file `pids.json`: what this run started, so that the next run can end it when this one is killed. */
export interface ProcessBook {
  add(name: string, pid: number, stopSignal: NodeJS.Signals): void
  remove(pid: number): void
  close(): void
}

function read(file: string): Page | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Page
  } catch {
    return undefined
  }
}

/**
 * Ends what a killed run on this data left running, known by pid and start time and never by name.
 * @throws when the data belongs to a run that is still alive.
 */
export async function openProcessBook(dataDir: string, say: Say): Promise<ProcessBook> {
  const file = join(dataDir, 'pids.json')
  const before = read(file)
  if (before && startOf(before.owner.pid) === before.owner.started) {
    throw new Error(`${dataDir} is in use by process ${before.owner.pid}: stop that, or give another data folder`)
  }
  // The registry holds connections to Postgres, so the last started goes first.
  for (const { name, pid, started, stopSignal } of before?.children.reverse() ?? []) {
    if (startOf(pid) !== started) continue
    say(`${name}: process ${pid} was left by a run that was killed, ending it`)
    await endProcess(pid, started, stopSignal, 10_000)
  }

  const page: Page = { owner: { pid: process.pid, started: startOf(process.pid) ?? '' }, children: [] }
  const write = () => {
    // Written beside and renamed: a reader never meets half a file.
    writeFileSync(`${file}.new`, JSON.stringify(page, null, 2))
    renameSync(`${file}.new`, file)
  }
  write()
  return {
    add(name, pid, stopSignal) {
      page.children.push({ name, pid, started: startOf(pid) ?? '', stopSignal })
      write()
    },
    remove(pid) {
      page.children = page.children.filter(child => child.pid !== pid)
      write()
    },
    close: () => rmSync(file, { force: true }),
  }
}
