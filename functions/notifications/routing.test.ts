import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { severities } from './alert-facts.ts'
import { channelsOf, fallbacksOf, type Person, wayOf } from './audience.ts'
import { defaultRoute, type Matcher, matches, type Route, type Routed, routesOf } from './routing.ts'

const standard = defaultRoute({ wait: 1, interval: 60 })
const route = (name: string, matcher: Matcher, continues = false): Route => ({ ...standard, id: name, name, matcher, continues })
const alert: Routed = { sku: '85123A', location: 'main', category: 'lights', severity: 'critical', rule: 'absolute' }
const names = (routes: readonly Route[], one = alert) => routesOf(routes, standard, one).map(({ name }) => name)

test('the first route that matches takes an alert, and those after it while each says so', () => {
  const [a, b, c] = [route('a', {}, true), route('b', { locations: ['main'] }), route('c', {})]
  assert.deepEqual(names([a, b, c]), ['a', 'b'])
  assert.deepEqual(names([a, route('b', { locations: ['shop'] }), c]), ['a', 'c'])
})

test('what no route takes, the default route takes', () => {
  assert.deepEqual(names([]), ['default'])
  assert.deepEqual(names([route('a', { minimumSeverity: 'out_of_stock' })]), ['default'])
})

test('every part of a matcher must fit, each by one of its values', () => {
  assert.ok(
    matches(
      { minimumSeverity: 'low', locations: ['shop', 'main'], categories: ['lights'], skuPrefixes: ['85'], rules: ['absolute'] },
      alert,
    ),
  )
  for (const wrong of [{ locations: ['shop'] }, { categories: ['mugs'] }, { skuPrefixes: ['22'] }, { rules: ['forecast'] }]) {
    assert.equal(matches(wrong, alert), false, JSON.stringify(wrong))
  }
  assert.equal(matches({ categories: ['lights'] }, { ...alert, category: null }), false)
})

test('every alert is taken by somebody, whatever the routes', () => {
  const matcher = fc.record(
    {
      minimumSeverity: fc.constantFrom(...severities),
      locations: fc.constantFrom(['main'], ['shop']),
      skuPrefixes: fc.constantFrom(['8'], ['2']),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(matcher, fc.boolean())), fc.constantFrom(...severities), (given, severity) => {
      const taken = routesOf(
        given.map(([m, continues], n) => route(String(n), m, continues)),
        standard,
        { ...alert, severity },
      )
      assert.ok(taken.length > 0)
      assert.ok(taken.slice(0, -1).every(({ continues }) => continues))
    }),
  )
})

const berta: Person = {
  ...{
    id: 'berta',
    name: null,
    timeZone: 'Europe/Zurich',
    locale: 'de',
    roles: [],
    groups: [],
    quietFrom: '22:00',
    quietTo: '07:00',
  },
  preferences: {
    email: { minimumSeverity: 'low', digestAt: '08:00', optedOut: false },
    push: { minimumSeverity: 'low', digestAt: null, optedOut: true },
  },
  contacts: (['email', 'sms', 'push', 'webhook'] as const).map(channel => ({ id: channel, channel, address: '' })),
}
const night = new Date('2026-07-01T22:00:00Z')

test('at night what is low waits, a digest collects, programs are told, and what is urgent goes', () => {
  assert.deepEqual(wayOf(berta, 'sms', false, night), { kind: 'held', until: new Date('2026-07-02T05:00:00Z') })
  assert.deepEqual(wayOf(berta, 'email', false, night), { kind: 'digest', dueAt: new Date('2026-07-02T06:00:00Z') })
  assert.deepEqual(wayOf(berta, 'webhook', false, night), { kind: 'now' })
  for (const channel of ['email', 'sms'] as const) assert.deepEqual(wayOf(berta, channel, true, night), { kind: 'now' })
})

test('a channel that somebody has opted out of is neither used nor fallen back to', () => {
  assert.deepEqual(channelsOf(berta, []), ['email', 'sms', 'webhook'])
  assert.deepEqual(channelsOf(berta, ['push', 'sms']), ['sms'])
  assert.deepEqual(fallbacksOf(berta, ['email']), ['sms', 'webhook'])
})
