import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { ConfigError } from './config.ts'

/** Settings as files of a folder, each named like its variable. */
export interface MountedFiles {
  /** The files of those variables that have one, all from the same update. Throws ConfigError for one that cannot be read. */
  read(): Readonly<Record<string, string>>
  /** What differs when a file differs: one readlink on Kubernetes, one stat a variable in a plain folder. */
  state(): string
}

/** Kubernetes writes an update into a new folder and then turns this link to it, in one step. The old folder is removed afterwards. */
const dataLink = '..data'
/** Readings that the link may turn under. It turns once a minute at most, and a reading takes less than a millisecond. */
const readingsLimit = 10

/**
 * A folder that is not there has no files. In a plain folder, without Kubernetes' link, a file should be replaced by a rename:
 * one that is written in place may be read half.
 */
export function mountedFiles(folder: string, variables: readonly string[]): MountedFiles {
  const linked = (): string | undefined => {
    try {
      return readlinkSync(join(folder, dataLink))
    } catch {
      // No link, no folder, or one that may not be entered, which the reading tells.
      return undefined
    }
  }
  return {
    read() {
      for (let readings = 0; readings < readingsLimit; readings++) {
        const target = linked()
        const files = readAll(target === undefined ? folder : resolve(folder, target), variables)
        // Where the link has turned meanwhile, a file may seem absent because its folder was removed.
        if (linked() === target) return files
      }
      throw new ConfigError([{ variable: 'CONFIG_FOLDER', message: 'it changes faster than it can be read' }])
    },
    state: () => linked() ?? variables.map(name => stateOf(join(folder, name))).join(' '),
  }
}

function readAll(folder: string, variables: readonly string[]): Record<string, string> {
  const there = new Set(readable('CONFIG_FOLDER', () => readdirSync(folder), []))
  const files: Record<string, string> = {}
  for (const variable of variables) {
    if (!there.has(variable)) continue
    const text = readable(variable, () => readFileSync(join(folder, variable), 'utf8'), undefined)
    if (text !== undefined) files[variable] = text.replace(/\r?\n$/, '')
  }
  return files
}

function stateOf(path: string): string {
  try {
    const { ino, size, ctimeNs } = statSync(path, { bigint: true })
    return `${ino}:${size}:${ctimeNs}`
  } catch (error) {
    return codeOf(error)
  }
}

function readable<T>(variable: string, read: () => T, instead: T): T {
  try {
    return read()
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(error))) return instead
    throw new ConfigError([{ variable, message: `cannot be read from its file (${codeOf(error)})` }])
  }
}

const codeOf = (error: unknown): string => String((error as NodeJS.ErrnoException).code)
