import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { masked } from './mask.ts'

test('what is masked can be recognised and not read', () => {
  assert.equal(masked('anna@example.com'), 'a•••@example.com')
  assert.equal(masked('+44 20 7946 0189'), '+44•••89')
  assert.equal(masked('Johanna'), 'J•••')
  assert.equal(masked(''), '')
})

test('no name longer than a letter survives masking', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z]{2,12}$/), fc.constantFrom('', '@example.com'), (name, domain) => {
      assert.equal(
        masked(name + domain)
          .slice(0, -domain.length || undefined)
          .includes(name),
        false,
      )
    }),
  )
})
