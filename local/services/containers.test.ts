import assert from 'node:assert/strict'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { parse } from 'yaml'
import { bringInContainers, containerUrls, hasContainerEngine } from './containers.ts'
import { serviceNames } from './service.ts'

const path = process.env.PATH ?? ''
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidemark-docker-'))
  process.env.PATH = `${folder}${delimiter}${path}`
})

afterEach(async () => {
  process.env.PATH = path
  await rm(folder, { recursive: true })
})

/** A client that writes down what it is asked, and behaves as `script` says. */
async function docker(script: string): Promise<void> {
  await writeFile(join(folder, 'docker'), `#!/bin/sh\necho "$@" >> ${join(folder, 'asked')}\n${script}\n`)
  await chmod(join(folder, 'docker'), 0o755)
}

test('a client without its engine is no container engine', async () => {
  await docker('[ "$1" = compose ] && exit 0; echo "cannot connect" >&2; exit 1')
  assert.equal(await hasContainerEngine(), false)
})

test('an engine without compose cannot bring the services', async () => {
  await docker('[ "$1" = compose ] && exit 1; echo 28.2.2')
  assert.equal(await hasContainerEngine(), false)
})

test('an engine brings what is asked for, waits until it is healthy, and says so', async () => {
  await docker('[ "$1" = info ] && echo 28.2.2; exit 0')
  assert.equal(await hasContainerEngine(), true)
  const said: string[] = []
  const urls = await bringInContainers(['kafka', 'registry'], line => said.push(line))
  assert.deepEqual(urls, { kafka: containerUrls.kafka, registry: containerUrls.registry })
  const asked = (await readFile(join(folder, 'asked'), 'utf8')).trim().split('\n').at(-1)
  assert.match(asked ?? '', /^compose --file .*docker-compose\.yml up --detach --wait kafka registry$/)
  assert.match(said[0] ?? '', /kafka, registry: brought by the container engine/)
})

test('docker-compose.yml has every service with a pinned image, a health check, and the port that its address names', async () => {
  const text = await readFile(new URL('../../docker-compose.yml', import.meta.url), 'utf8')
  const { services } = parse(text) as { services: Record<string, { image?: string; healthcheck?: unknown; ports?: string[] }> }
  for (const name of serviceNames) {
    const service = services[name]
    assert.match(service?.image ?? '', /:\d+\.\d+/, name)
    assert.ok(service?.healthcheck, name)
    const port = /:(\d{4})(\/|$)/.exec(containerUrls[name])?.[1]
    assert.ok(
      service?.ports?.some(published => published.startsWith(`127.0.0.1:${port}:`)),
      `${name} at ${port}`,
    )
  }
})
