import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { after, before, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { parse } from 'yaml'
import { z } from 'zod'
import { bundleFunctions } from '../local/build.ts'

const root = join(import.meta.dirname, '..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }

/** The part of func's own schema/func_yaml-schema.json that is used here. A field that is not in it is a mistake of ours or of a newer func. */
const quantity = z.string().regex(/^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$/)
const amounts = { cpu: quantity.optional(), memory: quantity.optional() }
const env = z.strictObject({ name: z.string().regex(/^[-._a-zA-Z][-._a-zA-Z0-9]*$/), value: z.string() })
const FuncYaml = z.strictObject({
  // Says where the rest stands. A newer func reads it too: it moves what has another place since (scale, in 0.38) by itself.
  specVersion: z.literal('0.36.0'),
  created: z.iso.datetime(),
  name: z.string().regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/),
  namespace: z.string(),
  runtime: z.literal('typescript'),
  build: z.strictObject({ builder: z.enum(['pack', 's2i']), buildEnvs: z.array(env) }),
  run: z.strictObject({
    envs: z.array(env),
    volumes: z.array(z.strictObject({ configMap: z.string(), path: z.string() })),
  }),
  deploy: z.strictObject({
    serviceAccountName: z.string(),
    healthEndpoints: z.strictObject({ liveness: z.string(), readiness: z.string() }),
    labels: z.array(
      z.strictObject({ key: z.string(), value: z.string().regex(/^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/) }),
    ),
    options: z.strictObject({
      scale: z.strictObject({ min: z.int().min(0), max: z.int().min(0), target: z.number().min(0.01) }),
      resources: z.strictObject({ requests: z.strictObject(amounts), limits: z.strictObject(amounts) }),
    }),
  }),
})
const func = FuncYaml.parse(parse(read('func.yaml')))

interface Declared {
  metadata: { labels: Record<string, string> }
  spec: {
    template: {
      metadata: { labels: Record<string, string>; annotations: Record<string, string> }
      spec: {
        serviceAccountName: string
        containers: [{ env: unknown[]; resources: unknown; volumeMounts: [{ mountPath: string }] } & Record<string, unknown>]
        volumes: [
          { projected: { sources: { secret?: { name: string; optional?: boolean; items: { key: string; path: string }[] } }[] } },
        ]
      }
    }
  }
}
const declared = parse(read(`knative/base/${func.name}.yaml`)) as Declared

test('func deploys the function as its declaration has it: scale, resources, labels, account, settings and secrets', () => {
  const { metadata, spec } = declared.spec.template
  const [container] = spec.containers
  const { scale, resources } = func.deploy.options
  const annotation = (name: string) => Number(metadata.annotations[`autoscaling.knative.dev/${name}`])
  assert.deepEqual(scale, { min: annotation('min-scale'), max: annotation('max-scale'), target: annotation('target') })
  assert.deepEqual(resources, container.resources)
  assert.deepEqual(Object.fromEntries(func.deploy.labels.map(({ key, value }) => [key, value])), {
    ...declared.metadata.labels,
    ...metadata.labels,
  })
  assert.equal(func.deploy.serviceAccountName, spec.serviceAccountName)
  assert.deepEqual(func.run.volumes, [{ configMap: 'tidemark', path: container.volumeMounts[0].mountPath }])
  // In an environment a Secret that may be missing keeps a container from starting.
  const needed = spec.volumes[0].projected.sources.filter(({ secret }) => !secret?.optional)
  const secrets = needed.flatMap(({ secret }) =>
    (secret?.items ?? []).map(({ key, path }) => ({ name: path, value: `{{ secret:${secret?.name}:${key} }}` })),
  )
  assert.deepEqual(func.run.envs, [...container.env, ...secrets])
})

test('the image has a program to start, and no script of its build installs packages again', () => {
  assert.equal(scripts.start, 'node dist/main.mjs')
  // The buildpack links node_modules to a layer; `npm ci` by with-node.mjs would put a folder there, with which no container starts.
  assert.equal(
    func.build.buildEnvs.find(({ name }) => name === 'BP_NODE_RUN_SCRIPTS'),
    undefined,
  )
})

const ignored = read('.funcignore')
  .split('\n')
  .filter(line => line !== '' && !line.startsWith('#'))
const isIgnored = (path: string) =>
  ignored.some(line => (line.startsWith('*') ? path.endsWith(line.slice(1)) : `/${path}/`.startsWith(`${line}/`)))

test('of what is in the repository only what func and its buildpack read enters the image', () => {
  // Other forms of a line would need more than isIgnored.
  for (const line of ignored) assert.match(line, /^(\/[\w./-]+|\*\.\w+)$/)
  const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
  const kept = tracked.split('\n').filter(path => path !== '' && !isIgnored(path))
  assert.deepEqual(kept.sort(), ['.funcignore', 'func.yaml', 'package-lock.json', 'package.json'])
  for (const path of ['node_modules/zod/index.js', '.tidemark/cluster/secrets.json']) assert.ok(isIgnored(path), path)
})

let folder: string
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-func-'))
  await bundleFunctions(pathToFileURL(`${folder}/built/dist/`))
  const built = join(folder, 'built')
  cpSync(built, join(folder, 'image'), { recursive: true, filter: path => path === built || !isIgnored(relative(built, path)) })
})
after(() => rmSync(folder, { recursive: true }))

test('what is left of dist starts without node_modules, with the settings that func.yaml names, and answers the probes that it names', async () => {
  const settings = { TOKEN_ISSUER: 'urn:test', JWKS_URL: 'http://127.0.0.1:1/keys' }
  for (const [name, value] of Object.entries(settings)) writeFileSync(join(folder, name), value)
  const given = Object.fromEntries(func.run.envs.map(({ name, value }) => [name, value]))
  const [, main = ''] = (scripts.start as string).split(' ')
  const child = spawn(process.execPath, [main], {
    cwd: join(folder, 'image'),
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...given,
      INVENTORY_DATABASE_URL: 'postgres://nobody:nothing@127.0.0.1:1/inventory',
      ...{ CONFIG_FOLDER: folder, K_SERVICE: func.name, PORT: '0', METRICS_PORT: '0', HOST: '127.0.0.1' },
    },
  })
  try {
    const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string]
    const { port, service } = JSON.parse(line.split('\n')[0] as string) as { port: number; service: string }
    assert.equal(service, func.name)
    const statusOf = async (path: string) => {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`)
      await answer.arrayBuffer()
      return answer.status
    }
    assert.equal(await statusOf(func.deploy.healthEndpoints.liveness), 200)
    assert.equal(await statusOf(func.deploy.healthEndpoints.readiness), 503, 'its database is away')
  } finally {
    child.kill('SIGTERM')
    if (child.exitCode === null) await once(child, 'exit')
  }
})
