import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { cached } from './cache.ts'
import { classPath } from './kafka-files.ts'
import { copyArtifacts } from './maven.ts'
import { run } from './run-command.ts'
import type { Say } from './service.ts'

export const registryInCache = 'apicurio-registry-3.3.3'

/** Apicurio Registry unpacked, about 170 MB. */
export function registryFiles(cache: string, say: Say): Promise<string> {
  return cached(cache, registryInCache, say, async target => {
    const folder = join(target, '..', 'tarball')
    await copyArtifacts(
      [
        {
          group: 'io.apicurio',
          id: 'apicurio-registry-app',
          version: '3.3.3',
          classifier: 'all',
          type: 'tar.gz',
          dependencies: false,
        },
      ],
      folder,
    )
    const [tarball = ''] = await readdir(folder)
    await mkdir(target)
    await run('tar', ['-xzf', join(folder, tarball), '-C', target])
    await rm(folder, { recursive: true })
  })
}

/**
 * How to name the program to the JVM. Quarkus' own loader starts faster without an archive (3.5 s against 7 s on 570 jars), but
 * its classes cannot be archived; with an archive the plain class path is the faster (1.4 s against 2.3 s).
 */
export function registryProgram(folder: string, plainClassPath: boolean): string[] {
  if (!plainClassPath) return ['-jar', join(folder, 'quarkus-run.jar')]
  // What Quarkus generated and rewrote must be found before the originals in lib/.
  const quarkus = ['transformed-bytecode.jar', 'generated-bytecode.jar'].map(name => join(folder, 'quarkus', name))
  const path = [...quarkus, classPath(join(folder, 'app'), join(folder, 'lib', 'boot'), join(folder, 'lib', 'main'))].join(':')
  const asInManifest = ['--add-opens=java.base/java.lang=ALL-UNNAMED', '--enable-native-access=ALL-UNNAMED']
  const logManager = '-Djava.util.logging.manager=org.jboss.logmanager.LogManager'
  return [...asInManifest, logManager, '-cp', path, 'io.quarkus.runner.GeneratedMain']
}
