import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { asyncapiDocument } from './asyncapi.ts'
import { declaredFunctions } from './declared.ts'
import { eventTypesFile } from './event-types.ts'
import { kafkaSource, kafkaTopics } from './kafka-sources.ts'
import { knativeService, kustomization, migrationJob, serviceAccount } from './knative.ts'
import { openapiDocument } from './openapi.ts'

/** `node manifests/main.ts [--check]`: writes what follows from the declarations, or says what is stale and exits 1. */
const check = process.argv.includes('--check')
const root = new URL('../', import.meta.url)
/** Whole folders that are derived, each with its kustomization. */
const folders = ['knative/base', 'kafka-sources', 'kafka-sources/topics']

const json = (document: unknown): string => `${JSON.stringify(document, null, 2)}\n`

async function derived(): Promise<Map<string, string>> {
  const files = new Map<string, string>([['shared/events/generated.ts', eventTypesFile()]])
  const functions = await declaredFunctions()
  files.set('openapi.json', json(await openapiDocument()))
  files.set('asyncapi.json', json(await asyncapiDocument()))
  for (const fn of functions) {
    files.set(`knative/base/${fn.name}.yaml`, knativeService(fn))
    const source = kafkaSource(fn)
    if (source) files.set(`kafka-sources/${fn.name}.yaml`, source)
  }
  files.set('knative/base/migrate.yaml', migrationJob())
  files.set('knative/base/service-account.yaml', serviceAccount())
  // Beside the sources and not among them: Strimzi's objects live where the brokers are.
  files.set('kafka-sources/topics/topics.yaml', kafkaTopics())
  for (const folder of folders) {
    const resources = [...files.keys()].filter(name => dirname(name) === folder).map(name => basename(name))
    files.set(`${folder}/kustomization.yaml`, kustomization(resources.sort()))
  }
  return files
}

/** Files of a function that is gone. */
function leftovers(files: Map<string, string>): string[] {
  return folders.flatMap(folder => {
    const present = existsSync(new URL(folder, root)) ? readdirSync(new URL(folder, root)) : []
    return present.map(name => `${folder}/${name}`).filter(name => name.endsWith('.yaml') && !files.has(name))
  })
}

const files = await derived()
const current = (name: string): string => (existsSync(new URL(name, root)) ? readFileSync(new URL(name, root), 'utf8') : '')
const stale = [...files].filter(([name, text]) => current(name) !== text).map(([name]) => name)
const gone = leftovers(files)

if (check) {
  for (const name of stale) console.error(`stale: ${name}`)
  for (const name of gone) console.error(`belongs to no function: ${name}`)
  if (stale.length + gone.length > 0) {
    console.error('Run `npm run manifests` and commit what it writes.')
    process.exit(1)
  }
  console.log(`${files.size} derived files are up to date.`)
} else {
  for (const folder of folders) mkdirSync(new URL(folder, root), { recursive: true })
  for (const name of stale) writeFileSync(new URL(name, root), files.get(name) as string)
  for (const name of gone) rmSync(new URL(name, root))
  console.log(`${stale.length} of ${files.size} derived files written, ${gone.length} removed.`)
}
