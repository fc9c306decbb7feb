import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'
import { findTool } from '../deploy/kubectl.ts'

// biome-ignore lint/suspicious/noExplicitAny: objects of many kinds, each looked into where it is tested
type Resource = any

const kubectl = findTool('kubectl')
const root = fileURLToPath(new URL('../', import.meta.url))
const rendered = (folder: string): Resource[] =>
  parseAllDocuments(
    execFileSync(kubectl as string, ['kustomize', `knative/platform/${folder}`], { cwd: root, encoding: 'utf8' }),
  ).map(document => document.toJS())

test('a recovery makes the same Cluster from the archive, and writes its own WAL beside that of the lost one', {
  skip: kubectl ? false : 'there is no kubectl on PATH',
}, () => {
  const [usual, recovery] = [rendered('postgres'), rendered('postgres-recovery')]
  const clusterOf = (resources: Resource[]): Resource => resources.find(({ kind }) => kind === 'Cluster')
  const { bootstrap, externalClusters, plugins, ...rest } = clusterOf(recovery).spec
  const { bootstrap: made, plugins: archives, ...usually } = clusterOf(usual).spec
  assert.deepEqual(rest, usually)
  assert.deepEqual(Object.keys(bootstrap), ['recovery'])
  assert.deepEqual([bootstrap.recovery.database, bootstrap.recovery.owner], [made.initdb.database, made.initdb.owner])

  const lost = externalClusters.find(({ name }: Resource) => name === bootstrap.recovery.source).plugin
  const [archiver] = plugins
  assert.deepEqual([lost.name, archiver.name], [archives[0].name, archives[0].name])
  assert.equal(lost.parameters.barmanObjectName, archives[0].parameters.barmanObjectName)
  // The plugin's default is the Cluster's name, and it refuses an archive that holds another server's WAL.
  assert.equal(lost.parameters.serverName, archives[0].parameters.serverName ?? clusterOf(usual).metadata.name)
  assert.equal(archiver.isWALArchiver, true)
  assert.notEqual(archiver.parameters.serverName, lost.parameters.serverName)

  const others = (resources: Resource[]) => resources.filter(({ kind }) => kind !== 'Cluster')
  assert.deepEqual(others(recovery), others(usual))
})
