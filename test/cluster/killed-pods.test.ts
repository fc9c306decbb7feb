import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { retailer } from '../../local/issuer.ts'
import { drained, host, ingress, inNamespace, pods, reconciled } from './cluster.ts'

/** Those on the way of a sale and of an alert, the relay and the gateway among them. */
const victims = [
  'orders-place',
  'inventory',
  'payments-charge',
  'outbox-relay',
  'orders-settle',
  'gateway',
  'alerts-evaluate',
  'notifications-plan',
  'notifications-send',
]

test('pods are killed without warning in the middle of a shop’s trade: nothing is lost and nothing happens twice', {
  timeout: 290_000,
}, async t => {
  const replaying = replay()
  const killed = new Map<string, number>()
  await wait(4_000)
  for (let round = 0; !replaying.ended() && round < 60; round++) {
    const victim = victims[round % victims.length] as string
    const [pod] = await pods(victim)
    if (!pod) continue
    await inNamespace(['delete', `pod/${pod.metadata.name}`, '--grace-period=0', '--force', '--wait=false'])
    killed.set(victim, (killed.get(victim) ?? 0) + 1)
    await wait(1_500)
  }
  const { code, output } = await replaying.result
  t.diagnostic(`killed: ${[...killed].map(([name, count]) => `${name} ${count}`).join(', ')}`)
  t.diagnostic(
    output
      .split('\n')
      .filter(line => /^(orders placed|retries|elapsed|alerts|mails)/.test(line))
      .join('; '),
  )
  assert.equal(code, 0, output)
  assert.doesNotMatch(output, /✗/)
  for (const name of ['orders-place', 'inventory', 'payments-charge', 'outbox-relay', 'orders-settle', 'gateway']) {
    assert.ok((killed.get(name) ?? 0) > 0, `${name} was killed at least once`)
  }
  await drained()
  assert.equal(await reconciled(), true)
})

/** A client like any other: the replay of the generated shop, through the ingress, which proves every invariant at its end. */
function replay() {
  const file = (name: string) => new URL(`../../replay/${name}`, import.meta.url).pathname
  const args = [file('main.ts'), file('sample.csv'), '--url', ingress, '--host', host, '--concurrency', '8']
  const child = spawn(process.execPath, args, {
    env: { ...process.env, TIDEMARK_CLIENT_ID: retailer.id, TIDEMARK_CLIENT_SECRET: retailer.secret },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  let ended = false
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', text => {
      output += text
    })
  }
  const result = new Promise<{ code: number | null; output: string }>(resolve => {
    child.once('close', code => {
      ended = true
      resolve({ code, output })
    })
  })
  return { result, ended: () => ended }
}
