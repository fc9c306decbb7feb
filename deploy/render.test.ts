import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { imageOf, render } from './render.ts'

test('an image is taken apart as kustomize has it, whatever is in its name', () => {
  assert.deepEqual(imageOf('tidemark:1.2'), { newName: 'tidemark', newTag: '1.2' })
  assert.deepEqual(imageOf('host:5000/shop/tidemark:1.2'), { newName: 'host:5000/shop/tidemark', newTag: '1.2' })
  assert.deepEqual(imageOf('host:5000/tidemark'), { newName: 'host:5000/tidemark' })
  assert.deepEqual(imageOf('host:5000/tidemark:1.2@sha256:ab'), { newName: 'host:5000/tidemark', digest: 'sha256:ab' })
})

test('what is written is the overlay with what this deployment decides, and nothing of it is a secret', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-render-'))
  try {
    render(
      {
        overlay: 'local',
        namespace: 'shop',
        images: { tidemark: 'tidemark:7' },
        settings: { KAFKA_BROKERS: 'a:9092,b:9092' },
        components: ['kafka-source-stand-in'],
        brokers: 'a:9092,b:9092',
      },
      folder,
    )
    const written = parse(readFileSync(join(folder, 'kustomization.yaml'), 'utf8'))
    assert.equal(written.namespace, 'shop')
    assert.match(written.resources[0], /knative\/overlays\/local$/)
    assert.match(written.components[0], /knative\/components\/kafka-source-stand-in$/)
    assert.deepEqual(written.images, [{ name: 'tidemark', newName: 'tidemark', newTag: '7' }])
    assert.deepEqual(written.configMapGenerator[0].literals, ['KAFKA_BROKERS=a:9092,b:9092'])
    assert.deepEqual(JSON.parse(written.patches[0].patch)[0].value, ['a:9092', 'b:9092'])
    assert.equal(written.secretGenerator, undefined)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
