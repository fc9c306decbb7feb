import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { clientAddress, TrustedProxies } from './client-address.ts'

/** A request from the socket's address with what the hops before it have written. */
const from = (remoteAddress: string, forwarded?: string) =>
  ({ socket: { remoteAddress }, headers: { ...(forwarded && { 'x-forwarded-for': forwarded }) } }) as unknown as IncomingMessage

const client = '203.0.113.9'
/** Kourier writes the client's address, activator and queue-proxy the one that they were called from. */
const throughKnative = (claim: string) => from('127.0.0.1', `${claim}${client}, 10.244.0.7, 10.244.1.3`)

test('while nobody is trusted the socket counts, whatever the header says', () => {
  const addressOf = clientAddress('')
  assert.equal(addressOf(from(client)), client)
  assert.equal(addressOf(from(client, '198.51.100.1')), client)
  assert.equal(addressOf(throughKnative('')), '127.0.0.1')
})

test('behind trusted proxies the address that called the first of them counts, whatever the client prepends', () => {
  const addressOf = clientAddress('loopback, 10.244.0.0/16')
  for (const claim of [
    '',
    '198.51.100.1, ',
    '10.244.0.9, ',
    '127.0.0.1, 10.244.0.9, ',
    'unknown, ',
    ', , ',
    'x'.repeat(5_000),
    'a b,',
  ]) {
    const claimed = claim === '' || claim.endsWith(',') || claim.endsWith(', ') ? claim : `${claim}, `
    assert.equal(addressOf(throughKnative(claimed)), client, claim)
  }
})

test('fewer hops, as with a gateway that is asked directly, lead to the same address', () => {
  const addressOf = clientAddress('uniquelocal,loopback')
  assert.equal(addressOf(from('127.0.0.1', `198.51.100.1, ${client}, 10.244.0.7`)), client)
  assert.equal(addressOf(from('10.244.0.7', client)), client)
  assert.equal(addressOf(from(client, '10.244.0.7')), client, 'who calls from elsewhere is not believed')
  assert.equal(addressOf(from('::ffff:10.244.0.7', client)), client)
  assert.equal(addressOf(from('10.244.0.7', '2001:db8::9')), '2001:db8::9')
})

test('what is no address does not grow into a key of any length', () => {
  assert.ok(clientAddress('loopback')(from('127.0.0.1', 'x'.repeat(9_000))).length <= 45)
})

test('only addresses, networks and names of networks can be trusted, and never everybody', () => {
  for (const good of ['', ' ', 'loopback', 'uniquelocal, linklocal', '10.0.0.0/8,192.0.2.1', 'fd00::/8', '10.0.0.0/255.0.0.0']) {
    assert.ok(TrustedProxies.safeParse(good).success, good)
  }
  assert.equal(TrustedProxies.parse(undefined), '')
  for (const bad of [
    'true',
    '1',
    '10.0.0.0/33',
    '10.0.0.0/',
    '0.0.0.0/0',
    '::/0',
    'kourier',
    'loopback;uniquelocal',
    '10.0.0/8.1',
  ]) {
    const parsed = TrustedProxies.safeParse(bad)
    assert.ok(!parsed.success, bad)
    assert.ok(!parsed.error.message.includes(`"${bad}"`))
  }
})
