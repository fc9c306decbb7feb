import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parser } from '@prometheus-io/lezer-promql'
import { parseAllDocuments } from 'yaml'

interface Rule {
  readonly record?: string
  readonly alert?: string
  readonly expr: string
  readonly annotations?: { readonly runbook?: string }
}

const root = new URL('../', import.meta.url)
const filesUnder = (folder: string, ending: string): string[] =>
  (readdirSync(new URL(folder, root), { recursive: true }) as string[])
    .filter(name => name.endsWith(ending) && !name.includes('.test.'))
    .map(name => `${folder}/${name}`)
const textOf = (path: string): string => readFileSync(new URL(path, root), 'utf8')

const rules = filesUnder('knative', '.yaml')
  .flatMap(path => parseAllDocuments(textOf(path)).map(document => document.toJS()))
  .filter(resource => resource?.kind === 'PrometheusRule')
  .flatMap(({ spec }) => spec.groups.flatMap((group: { rules: Rule[] }) => group.rules)) as Rule[]

/** By the grammar of Prometheus' own editor. */
function metricsIn(expr: string): string[] {
  const names: string[] = []
  parser.parse(expr).iterate({
    enter({ type, from, to, node }) {
      if (type.isError) throw new SyntaxError(`not PromQL at “${expr.slice(from, from + 20)}”: ${expr}`)
      if (type.name === 'Identifier' && node.parent?.name === 'VectorSelector') names.push(expr.slice(from, to))
    },
  })
  return names
}

test('every rule is PromQL, and asks for what a function tells or another rule records', () => {
  assert.ok(rules.length > 0)
  const code = ['functions', 'shared'].flatMap(folder => filesUnder(folder, '.ts')).map(textOf)
  const recorded = new Set(rules.map(({ record }) => record))
  for (const { expr } of rules) {
    const metrics = metricsIn(expr)
    assert.ok(metrics.length > 0, expr)
    const unknown = metrics.filter(name => !recorded.has(name) && !code.some(text => text.includes(`'${name}'`)))
    assert.deepEqual(unknown, [], expr)
  }
})

test('every alert names a page of a runbook that is there', () => {
  for (const { alert, annotations } of rules.filter(({ alert }) => alert)) {
    const [path = '', heading = ''] = (annotations?.runbook ?? '').split(', ')
    assert.match(textOf(path), new RegExp(`^#+ ${heading}$`, 'm'), alert)
  }
})

test('what is not PromQL is found', () => {
  assert.throws(() => metricsIn('max by (namespace) max_over_time(tidemark_canary_success[12m])) == 0'), SyntaxError)
  assert.throws(() => metricsIn('rate(tidemark_alerts[5m)'), SyntaxError)
})
