import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'
import { findTool } from '../deploy/kubectl.ts'
import { topics } from '../shared/events/catalog.ts'
import { declaredFunctions } from './declared.ts'

// biome-ignore lint/suspicious/noExplicitAny: objects of many kinds, each looked into where it is tested
type Resource = any

const kubectl = findTool('kubectl')
const root = fileURLToPath(new URL('../', import.meta.url))
const rendered = (overlay: string): Resource[] =>
  parseAllDocuments(
    execFileSync(kubectl as string, ['kustomize', `knative/overlays/${overlay}`], { cwd: root, encoding: 'utf8' }),
  ).map(document => document.toJS())
const functions = await declaredFunctions()

for (const overlay of ['staging', 'production']) {
  const what = `what ${overlay} applies is whole: every function, each setting that one cannot start without, and topics as Strimzi serves them`
  test(what, { skip: kubectl ? false : 'there is no kubectl on PATH' }, () => {
    const resources = rendered(overlay)
    const all = (group: string, kind: string) =>
      resources.filter(resource => resource.apiVersion.startsWith(group) && resource.kind === kind)
    const services = all('serving.knative.dev/', 'Service')
    assert.deepEqual(services.map(({ metadata }) => metadata.name).sort(), functions.map(({ name }) => name).sort())

    const settings = all('v1', 'ConfigMap').find(({ metadata }) => metadata.name === 'tidemark')
    assert.equal(settings.metadata.namespace, 'tidemark')
    const pods = [...services, ...all('batch/', 'Job')].map(({ metadata, spec }) => [metadata.name, spec.template.spec])
    let asked = 0
    for (const [name, { volumes }] of pods)
      for (const { configMap } of volumes[0].projected.sources)
        for (const { key } of configMap?.optional ? [] : (configMap?.items ?? [])) {
          asked++
          // An empty one counts as absent.
          assert.ok(settings.data[key], `${name} ${key}`)
        }
    assert.ok(asked > functions.length)

    const kafka = resources.filter(({ apiVersion }) => apiVersion.startsWith('kafka.strimzi.io/'))
    assert.deepEqual(kafka.map(({ metadata }) => metadata.name).sort(), [...topics].sort())
    // From 1.0 on Strimzi serves nothing older.
    for (const { apiVersion, metadata } of kafka)
      assert.deepEqual([apiVersion, metadata.namespace], ['kafka.strimzi.io/v1', 'kafka'])
    for (const { kind, metadata } of resources)
      assert.ok(['tidemark', 'tidemark-data', 'kafka'].includes(metadata.namespace), `${kind} ${metadata.name}`)
  })
}
