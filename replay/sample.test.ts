import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { groupInvoices } from './invoices.ts'
import { mapInvoices } from './mapping.ts'
import { readRows } from './rows.ts'
import { sampleCsv } from './sample.ts'

const FILE = new URL('sample.csv', import.meta.url)

test('the sample that is checked in is the one that its seed gives', async () => {
  assert.equal(await readFile(FILE, 'utf8'), sampleCsv())
})

test('the sample has every kind of dirt that the real file has', async () => {
  const rows = await readRows(FILE.pathname)
  const { invoices } = groupInvoices(rows)
  const mapped = mapInvoices(invoices)
  assert.ok(Object.values(mapped.rows.mapped).every(count => count > 0))
  assert.ok(mapped.rows.duplicates > 0)
  assert.ok(['POST', 'M', 'D', 'PADS', 'GIFT VOUCHER'].every(code => (mapped.rows.unmapped[`not-a-product:${code}`] ?? 0) > 0))
  assert.equal(mapped.rows.unmapped['bad-debt'], 1)
  assert.ok(invoices.some(invoice => invoice.rows.length >= 300))
  assert.ok(invoices.some(invoice => new Set(invoice.rows.map(row => row.at)).size > 1))
  assert.ok(rows.some(row => row.price === 0 && row.customer !== ''))
  assert.ok(rows.some(row => row.price === 0.001))
  assert.ok(rows.some(row => row.customer === '') && rows.some(row => row.description === ''))
  assert.ok(rows.some(row => rows.some(twin => twin.code !== row.code && twin.code === row.code.toUpperCase())))
})
