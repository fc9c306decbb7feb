import { existsSync, rmSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { cached, inCache } from './cache.ts'
import type { Java } from './java.ts'
import { type KeepRunningOptions, keepRunning } from './keep-running.ts'
import type { Say, Service } from './service.ts'

/**
 * A JVM's class archive: what a first, short run loaded and linked, mapped into memory by later starts. It is made once, in a
 * trial run in a scratch folder, while the slowest download is still going on. Measured on 2 cores: Kafka 2.0 s → 0.9 s (CPU
 * 2.3 s → 1.2 s), Apicurio 3.5 s → 1.4 s (CPU 4.4 s → 2.0 s). The JVM ignores an archive that is damaged or not its own.
 */
export interface ClassArchive {
  /** Flags to start with; none when there is no archive. */
  flags(): string[]
  exists(): boolean
  /** True when there was one. */
  drop(): boolean
}

export const noArchive: ClassArchive = { flags: () => [], exists: () => false, drop: () => false }

/** Compiling less deeply and one collector thread: half the CPU of a start, and enough for one developer's load. */
export const thriftyJvm = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']

export async function classArchive(options: {
  cache: string
  /** Name and version of the program; the archive's file name. */
  name: string
  java: Java
  say: Say
  book: KeepRunningOptions['book']
  logFile: string
  /** The program with the given JVM flags, writing only into `scratch`. */
  trial(flags: string[], scratch: string): Promise<Service>
  /** Uses the running trial a little, so that the archive holds what a first request needs. */
  exercise(): Promise<void>
}): Promise<ClassArchive> {
  const { cache, java, say, book, logFile } = options
  const name = `${options.name}-java-${java.version}.archive`
  const file = join(cache, name)
  const ahead = java.major >= 25
  const archive: ClassArchive = {
    exists: () => existsSync(file),
    flags: () => (existsSync(file) ? [ahead ? `-XX:AOTCache=${file}` : `-XX:SharedArchiveFile=${file}`] : []),
    drop: () => {
      const had = existsSync(file)
      rmSync(file, { force: true })
      return had
    },
  }
  if (inCache(cache, name)) return archive
  try {
    await cached(cache, name, say, async target => {
      const scratch = `${target}.scratch`
      await mkdir(scratch, { recursive: true })
      const flag = ahead ? `-XX:AOTCacheOutput=${target}` : `-XX:ArchiveClassesAtExit=${target}`
      const trial = await keepRunning(await options.trial([flag], scratch), { logFile, book, say, restart: false })
      await options.exercise().finally(() => trial.stop())
      await rm(scratch, { recursive: true, force: true })
    })
  } catch (error) {
    say(`${name}: could not be made, so the start takes some seconds longer (${(error as Error).message})`)
  }
  return archive
}
