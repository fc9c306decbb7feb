import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { withYoungClosures } from './young-closures.ts'

setFlagsFromString('--allow-natives-syntax')
const isYoung = new Function('value', 'return %InYoungGeneration(value)') as (value: unknown) => boolean

type Query = new (
  strings: string[],
  args: unknown[],
  handler: () => void,
) => Promise<unknown> & { resolve: unknown; reject: unknown }
const queryOf = async (source: string): Promise<Query> =>
  (await import(`data:text/javascript,${encodeURIComponent(source)}`)).Query

test('what settles a query is made young, which V8 does not do by itself with the driver as it is', async () => {
  const source = await readFile(new URL('../node_modules/postgres/src/query.js', import.meta.url), 'utf8')
  const generations = async (text: string) => {
    const query = new (await queryOf(text))(['select 1'], [], () => {})
    return [isYoung(query.resolve), isYoung(query.reject)]
  }
  assert.deepEqual(await generations(source), [false, false], 'else this is needed no longer')
  assert.deepEqual(await generations(withYoungClosures(source, 4)), [true, true])
})

test('it still settles the query', async () => {
  const source = await readFile(new URL('../node_modules/postgres/src/query.js', import.meta.url), 'utf8')
  const Query = await queryOf(withYoungClosures(source, 4))
  const [kept, failed] = [1, 2].map(() => new Query(['select 1'], [], () => {}))
  assert.ok(kept && failed)
  ;(kept.resolve as (rows: unknown) => void)(['row'])
  ;(failed.reject as (error: Error) => void)(new Error('refused'))
  assert.deepEqual(await kept, ['row'])
  await assert.rejects(failed, /refused/)
})

test('the client of Redis is mended as well, and a driver that was changed is not mended by guess', async () => {
  const command = await readFile(new URL('../node_modules/ioredis/built/Command.js', import.meta.url), 'utf8')
  assert.match(withYoungClosures(command, 1), /keep\(this, "reject", \(err\) => \{[\s\S]*reject\(err\);\n {16}\}\n {12}\}\)/)
  assert.throws(() => withYoungClosures('this.resolve = resolve', 1), /0 function literals/)
})
