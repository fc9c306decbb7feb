import assert from 'node:assert/strict'
import { test } from 'node:test'
import { removeNamespace } from './down.ts'
import { pretendKubectl } from './pretend-kubectl.ts'

/** A namespace that goes when nobody holds its groups any more. */
function cluster(groups: number) {
  let deleted = false
  const kubectl = pretendKubectl(([kind]) => {
    const letGo = kubectl.told.filter(line => line.includes('finalizers')).length >= groups
    if (kind === 'namespace') return deleted && letGo ? undefined : {}
    deleted = true
    const items = Array.from({ length: groups }, (_, index) => ({
      metadata: { name: `group-${index}`, deletionTimestamp: 'now' },
    }))
    return { items }
  })
  return kubectl
}

test('where nobody dispatches, the groups that nobody else would let go of are let go of, and the namespace goes', async () => {
  const kubectl = cluster(2)
  await removeNamespace(kubectl, 'shop', { dispatches: false })
  assert.equal(kubectl.told[0], 'delete namespace shop --wait=false')
  assert.equal(kubectl.told.filter(line => line.startsWith('patch consumergroups')).length, 2)
})

test('where a dispatcher runs its groups are left to it', async () => {
  let asked = 0
  const kubectl = pretendKubectl(() => (asked++ < 2 ? {} : undefined))
  await removeNamespace(kubectl, 'shop', { dispatches: true })
  assert.ok(kubectl.told.every(line => !line.startsWith('patch')))
})

test('a namespace that is not there needs nothing', async () => {
  const kubectl = pretendKubectl(() => undefined)
  await removeNamespace(kubectl, 'shop', { dispatches: false })
  assert.deepEqual(kubectl.told, [])
})
