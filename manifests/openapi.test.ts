import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { before, test } from 'node:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import type { TidemarkFunction } from '../shared/function/declare.ts'
import { scopes } from '../shared/security/scopes.ts'
import { declaredFunctions, methodOf, parametersOf, pathOf } from './declared.ts'

interface Described {
  operationId: string
  summary: string
  security: { oauth2: string[] }[]
  parameters?: { name: string; in: string }[]
  requestBody?: { content: Record<string, { schema: unknown; example?: unknown }> }
  responses: Record<string, { $ref?: string; content?: Record<string, { schema?: unknown }> }>
  'x-tidemark-function': string
  'x-tidemark-deadline'?: number
  'x-tidemark-signed'?: string
}

const document = JSON.parse(readFileSync(new URL('../openapi.json', import.meta.url), 'utf8')) as {
  paths: Record<string, Record<string, Described>>
  components: { responses: Record<string, Described['responses'][string]> }
}
let functions: TidemarkFunction[]
before(async () => {
  functions = await declaredFunctions()
})

const operations = () =>
  functions.flatMap(fn =>
    fn.operations.map(operation => {
      const described = document.paths[pathOf(operation)]?.[methodOf(operation)]
      assert.ok(described, `${operation.route} is described`)
      return { fn, operation, described }
    }),
  )

test('the document is valid OpenAPI 3.1', async () => {
  const validator = new Validator()
  const { valid, errors } = await validator.validate(structuredClone<object>(document) as Record<string, unknown>)
  assert.deepEqual(errors ?? [], [])
  assert.equal(valid, true)
  assert.equal(validator.version, '3.1')
})

test('every operation of every function is described under its own route, and nothing else is', () => {
  for (const { fn, operation, described } of operations()) {
    assert.deepEqual([described.operationId, described['x-tidemark-function']], [operation.id, fn.name])
    assert.ok(described.summary.length > 0)
  }
  const described = Object.values(document.paths).flatMap(methods => Object.values(methods))
  assert.equal(described.length, operations().length)
  assert.equal(new Set(described.map(({ operationId }) => operationId)).size, described.length, 'an id names one operation')
})

/** What a signature opens. Whoever adds one here has made sure that it is checked before anything is believed. */
const signedOperations = ['callbacks-twilio', 'callbacks-ses', 'callbacks-pagerduty']

test('every operation needs a token, but for the few that a signature opens', () => {
  const without = operations().filter(({ operation, described }) => operation.signed || described.security.length === 0)
  assert.deepEqual(
    without.map(({ operation }) => operation.id),
    signedOperations,
  )
  for (const { operation, described } of without) {
    assert.ok(operation.signed && described['x-tidemark-signed'], operation.id)
    assert.deepEqual([operation.allow, described.security], [[], []], operation.id)
  }
})

test('every other operation says which scopes open it, and there are such scopes', () => {
  for (const { operation, described } of operations()) {
    if (operation.signed) continue
    assert.ok(operation.allow.length > 0, operation.id)
    assert.deepEqual(
      described.security,
      operation.allow.map(scope => ({ oauth2: [scope] })),
    )
    for (const scope of operation.allow) assert.ok(Object.hasOwn(scopes, scope), scope)
  }
})

test('every operation describes its answer, and every failure as a problem', () => {
  for (const { operation, described } of operations()) {
    const success = described.responses[String(operation.status)]
    assert.ok(success?.content?.[operation.streams?.gives ?? 'application/json']?.schema, operation.id)
    for (const status of ['401', ...(operation.signed ? [] : ['403']), '422', '429', '500', '503', '504']) {
      assert.ok(described.responses[status], `${operation.id} ${status}`)
    }
    for (const [status, response] of Object.entries(described.responses)) {
      if (status < '400') continue
      const name = response.$ref?.split('/').at(-1) ?? ''
      assert.deepEqual(document.components.responses[name]?.content?.['application/problem+json']?.schema, {
        $ref: '#/components/schemas/Problem',
      })
    }
  }
})

test('every problem that an operation declares is among its answers by its code', () => {
  for (const { operation, described } of operations()) {
    const texts = JSON.stringify(
      Object.values(described.responses).map(({ $ref }) => document.components.responses[$ref?.split('/').at(-1) ?? '']),
    )
    for (const code of operation.problems) assert.ok(texts.includes(`\`${code}\``), `${operation.id} ${code}`)
  }
})

test('every parameter of a path is described', () => {
  for (const { operation, described } of operations()) {
    const inPath = (described.parameters ?? []).filter(parameter => parameter.in === 'path').map(({ name }) => name)
    assert.deepEqual(inPath.sort(), parametersOf(operation).sort(), operation.id)
  }
})

test('every write says how to repeat it safely', () => {
  for (const { operation, described } of operations()) {
    const headers = (described.parameters ?? []).filter(parameter => parameter.in === 'header').map(({ name }) => name)
    assert.equal(headers.includes('Idempotency-Key'), operation.idempotent, operation.id)
    assert.equal(headers.includes('If-Match'), operation.ifMatch, operation.id)
    // By a key, by a version that is another afterwards, or because its own state tells a repetition: its description says so.
    const byState = operation.ifMatch || /Doing it again/.test(operation.description ?? '')
    if (methodOf(operation) !== 'get') assert.ok(operation.idempotent || byState, operation.id)
  }
})

test('every request body has an example that can be sent as it stands', () => {
  for (const { operation, described } of operations()) {
    if (['get', 'delete'].includes(methodOf(operation))) continue
    const body = described.requestBody?.content[(operation.streams ?? operation.signed)?.takes[0] ?? 'application/json']
    assert.ok(body?.schema, operation.id)
    assert.ok(body.example !== undefined, `${operation.id} has an example`)
    if (operation.streams || operation.signed) continue
    const read = (operation.describedInput ?? operation.input).safeParse(body.example)
    const inBody = read.error?.issues.filter(({ path }) => !parametersOf(operation).includes(String(path[0])))
    assert.deepEqual(inBody ?? [], [], operation.id)
  }
})

test('what is streamed is described by its media types, and a long deadline is told to what stands before the function', () => {
  const of = (id: string) => operations().find(({ operation }) => operation.id === id)?.described
  const imported = of('stock-import')
  assert.deepEqual(Object.keys(imported?.requestBody?.content ?? {}), ['text/csv', 'application/gzip', 'application/x-gzip'])
  assert.ok(imported?.parameters?.some(parameter => parameter.in === 'query' && parameter.name === 'kind'))
  assert.deepEqual(of('stock-export')?.responses['200']?.content, { 'text/csv': { schema: { type: 'string' } } })
  assert.equal(imported?.['x-tidemark-deadline'], 570_000)
  for (const { fn, operation, described } of operations()) {
    assert.equal(described['x-tidemark-deadline'], operation.deadline > 60_000 ? operation.deadline : undefined)
    assert.ok(operation.deadline < fn.scale.timeout * 1_000, `${fn.name} lives as long as ${operation.id} may take`)
  }
})

test('every reference leads somewhere', () => {
  for (const [, reference] of JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)) {
    const target = (reference as string)
      .split('/')
      .reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], document)
    assert.ok(target, reference)
  }
})
