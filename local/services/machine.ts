import { accessSync, constants, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { inCache } from './cache.ts'
import { type Java, javaAt, jdkInCache } from './java.ts'
import { kafkaInCache } from './kafka-files.ts'
import { postgresPackage } from './postgres-files.ts'
import { redisInCache } from './redis.ts'
import { registryInCache } from './registry-files.ts'
import type { Machine } from './requirements.ts'
import { run } from './run-command.ts'
import { motoInCache } from './ses.ts'

export interface Tools {
  java: Java | undefined
  /** The interpreter itself, not a version manager's shim that costs 0.1 s a start. */
  python: string | undefined
  redisServer: string | undefined
}

/** Looks at the machine; about 0.2 s. */
export async function inspectMachine(cache: string): Promise<{ machine: Machine; tools: Tools }> {
  const redisServer = onPath('redis-server')
  const [java, python, redisVersion, libssl3] = await Promise.all([
    onPath('java') ? javaAt('java') : undefined,
    inspectPython(),
    redisServer ? versionOf(redisServer) : undefined,
    hasLibssl3(),
  ])
  return {
    machine: {
      postgresBinaries: postgresPackage() !== undefined,
      maven: onPath('mvn') !== undefined,
      java: java?.major,
      python,
      redisServer: redisVersion,
      libssl3,
      fetched: {
        kafka: inCache(cache, kafkaInCache),
        registry: inCache(cache, registryInCache),
        redis: inCache(cache, redisInCache),
        jdk: inCache(cache, jdkInCache),
        moto: inCache(cache, motoInCache(python?.version ?? '')),
      },
    },
    tools: { java, python: python?.file, redisServer: (redisVersion ?? 0) >= 6 ? redisServer : undefined },
  }
}

function onPath(program: string): string | undefined {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const file = join(folder, program)
    try {
      accessSync(file, constants.X_OK)
      return file
    } catch {
      // Not in this folder.
    }
  }
  return undefined
}

const pythonFacts = `
import importlib.util, platform, sys
print(sys.executable, platform.python_version(), importlib.util.find_spec("pip") is not None, sep="\\n")`

async function inspectPython(): Promise<{ file: string; version: string; pip: boolean } | undefined> {
  try {
    const [file = '', version = '', pip] = (await run('python3', ['-c', pythonFacts], { timeoutMs: 20_000 })).trim().split('\n')
    return { file, version, pip: pip === 'True' }
  } catch {
    return undefined
  }
}

async function versionOf(redisServer: string): Promise<number | undefined> {
  const text = await run(redisServer, ['--version'], { timeoutMs: 10_000 }).catch(() => '')
  const major = /v=(\d+)/.exec(text)?.[1]
  return major === undefined ? undefined : Number(major)
}

async function hasLibssl3(): Promise<boolean> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return true
  // Where the loader's list cannot be read, the start itself will tell.
  const list = await run('/sbin/ldconfig', ['-p'], { timeoutMs: 10_000 }).catch(() => readLoaderCache())
  return list.includes('libssl.so.3')
}

function readLoaderCache(): string {
  try {
    return readFileSync('/etc/ld.so.cache', 'latin1')
  } catch {
    return 'libssl.so.3'
  }
}
