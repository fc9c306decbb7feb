import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from './run-command.ts'

export interface Artifact {
  group: string
  id: string
  version: string
  classifier?: string
  type?: string
  /** False: the artifact alone, without what it depends on. */
  dependencies: boolean
}

export function projectFor(artifacts: Artifact[]): string {
  const dependencies = artifacts.map(artifact =>
    [
      '<dependency>',
      `<groupId>${artifact.group}</groupId><artifactId>${artifact.id}</artifactId><version>${artifact.version}</version>`,
      artifact.classifier ? `<classifier>${artifact.classifier}</classifier>` : '',
      artifact.type ? `<type>${artifact.type}</type>` : '',
      artifact.dependencies
        ? ''
        : '<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>',
      '</dependency>',
    ].join(''),
  )
  return [
    '<project><modelVersion>4.0.0</modelVersion>',
    '<groupId>tidemark</groupId><artifactId>download</artifactId><version>1</version><packaging>pom</packaging>',
    `<dependencies>${dependencies.join('\n')}</dependencies></project>`,
  ].join('\n')
}

/** Copies the artifacts into `folder` by Maven, from whatever repository the machine's Maven is set to. */
export async function copyArtifacts(artifacts: Artifact[], folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  const project = join(folder, '..', 'pom.xml')
  await writeFile(project, projectFor(artifacts))
  const copy = () =>
    run('mvn', ['-B', '-q', '-f', project, 'dependency:copy-dependencies', `-DoutputDirectory=${folder}`], { timeoutMs: 900_000 })
  // Three Mavens share one local repository here and only Maven 4 promises that this is safe; what one half wrote, a second try finds whole.
  await copy().catch(copy)
}
