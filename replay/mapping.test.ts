import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { groupInvoices, selectInvoices } from './invoices.ts'
import { adjustmentReason, mapInvoices } from './mapping.ts'
import { FileRefused, type Row, readRows, toRow } from './rows.ts'

const COLUMNS = ['InvoiceNo', 'StockCode', 'Description', 'Quantity', 'InvoiceDate', 'UnitPrice', 'CustomerID', 'Country']

/** `invoice code quantity time price customer`, `-` for empty. */
function rowsOf(text: string): Row[] {
  return text
    .trim()
    .split('\n')
    .map(line => {
      const [invoice, code, quantity, time, price, customer] = line
        .trim()
        .split(/\s+/)
        .map(value => (value === '-' ? '' : value))
      const values = [invoice, code, 'A THING', quantity, `2011-01-${time}`, price, customer, 'United Kingdom']
      return toRow(Object.fromEntries(COLUMNS.map((column, index) => [column, values[index] ?? ''])))
    })
}

function map(text: string) {
  const { invoices, unplaced } = groupInvoices(rowsOf(text))
  return mapInvoices(invoices, unplaced)
}

test('an invoice is one order with all its lines, in pence, with canonical SKUs', () => {
  const { steps, rows } = map(`
    1 85123a 6 03T08:00 2.55  17850
    1 85123A 2 03T08:00 2.55  17850
    1 22222  1 03T08:01 0.001 17850
    1 POST   1 03T08:00 18    17850`)
  assert.deepEqual(steps, [
    {
      ...{ kind: 'order', id: '1', at: Date.UTC(2011, 0, 3, 8), customer: '17850' },
      lines: [
        { sku: '85123A', quantity: 6, unitPrice: 255 },
        { sku: '85123A', quantity: 2, unitPrice: 255 },
        { sku: '22222', quantity: 1, unitPrice: 0 },
      ],
    },
  ])
  assert.deepEqual(rows.unmapped, { 'not-a-product:POST': 1 })
})

test('a row that is repeated exactly stays in the order and is counted', () => {
  const { steps, rows } = map('1 11111 6 03T08:00 1 7\n1 11111 6 03T08:00 1 7\n1 11111 6 03T08:01 1 7')
  assert.equal(steps[0]?.lines.length, 3)
  assert.equal(rows.duplicates, 1)
})

test('a credit note that mirrors an order of the same customer cancels it, once', () => {
  const { steps } = map(`
    1  11111 6  03T08:00 1 7
    1  22222 2  03T08:00 1 7
    C2 22222 -2 03T08:12 1 7
    C2 11111 -6 03T08:12 1 7
    C3 22222 -2 03T08:13 1 7
    C3 11111 -6 03T08:13 1 7`)
  assert.deepEqual(
    steps.map(({ kind, id }) => [kind, id]),
    [
      ['order', '1'],
      ['cancellation', 'C2'],
      ['return', 'C3'],
    ],
  )
  assert.equal(steps[1]?.kind === 'cancellation' && steps[1].order, '1')
})

test('a credit note for part of an order, for another customer, or after 30 days is a return', () => {
  const { steps } = map(`
    1  11111 6  01T08:00 1 7
    C2 11111 -5 01T09:00 1 7
    C3 11111 -6 01T09:00 1 8
    C4 11111 -6 31T08:01 1 7`)
  assert.deepEqual(
    steps.map(step => step.kind),
    ['order', 'return', 'return', 'return'],
  )
})

test('a credit note without a customer cancels the latest order with the same goods', () => {
  const { steps } = map('1 11111 6 03T08:00 1 7\n2 11111 6 03T09:00 1 8\nC3 11111 -6 03T10:00 1 -')
  assert.equal(steps[2]?.kind === 'cancellation' && steps[2].order, '2')
})

test('an invoice without prices and customer is a stock adjustment by its sign', () => {
  const { steps } = map('1 11111 -6 03T08:00 0 -\n2 11111 4 03T08:00 0.0 -')
  assert.deepEqual(
    steps.map(step => step.kind === 'adjustment' && step.lines),
    [[{ sku: '11111', delta: -6 }], [{ sku: '11111', delta: 4 }]],
  )
})

test('free goods leave with the order: a gift to a customer, or a shop order billed on one line', () => {
  const { steps } = map('1 11111 6 03T08:00 0 7\n2 11111 6 03T08:00 0 -\n2 DOT 1 03T08:00 99 -')
  assert.deepEqual(
    steps.map(step => step.kind),
    ['order', 'order'],
  )
})

test('the clerk’s note decides why stock was adjusted', () => {
  const reason = (description: string) => adjustmentReason([{ description } as Row])
  assert.deepEqual(['wet damaged', 'thrown away', 'found box', '?', '', 'OWL DOORSTOP'].map(reason), [
    'damage',
    'loss',
    'found',
    'count',
    'other',
    'other',
  ])
})

test('rows that are no sale of goods are left out, each with its reason', () => {
  const { steps, rows } = map(`
    A1 B            1  03T08:00 -840  -
    2  gift_0001_20 1  03T08:00 16.67 -
    2  m            1  03T08:00 1     -
    2  -            1  03T08:00 1     -
    2  11111        0  03T08:00 1     -
    2  11111        -1 03T08:00 1     -
    2  11111        1  03T08:00 -1    -
    2  11111        x  03T08:00 1     -
    2  _odd         1  03T08:00 1     -
    C3 11111        1  03T08:00 1     -
    -  11111        1  03T08:00 1     -
    4  11111        1  nonsense 1     -`)
  assert.deepEqual(steps, [])
  assert.deepEqual(rows.unmapped, {
    ...{ 'no-invoice': 1, 'no-date': 1, 'bad-debt': 1, 'not-a-product:GIFT VOUCHER': 1, 'not-a-product:M': 1, 'no-code': 1 },
    ...{
      'zero-quantity': 1,
      'negative-sale': 1,
      'negative-price': 1,
      'unreadable-number': 1,
      'unreadable-code': 1,
      'positive-credit': 1,
    },
  })
})

test('party bags and ashtrays with DCGS codes are goods', () => {
  assert.equal(map('1 DCGSSGIRL 1 03T08:00 3.29 -').steps.length, 1)
})

test('an order longer than the API takes is left out and said so', () => {
  const { steps, rows } = map(Array.from({ length: 5001 }, () => '1 11111 1 03T08:00 1 -').join('\n'))
  assert.deepEqual([steps.length, rows.unmapped], [0, { 'over-5000-lines': 5001 }])
})

test('a selection takes whole days, both included, and the first invoices of them', () => {
  const { invoices } = groupInvoices(rowsOf('3 1 1 04T23:59 1 -\n1 1 1 02T00:00 1 -\n2 1 1 03T00:00 1 -\n4 1 1 05T00:00 1 -'))
  const days = { from: Date.UTC(2011, 0, 3), to: Date.UTC(2011, 0, 4) }
  const numbers = (selection: object) => selectInvoices(invoices, selection).map(invoice => invoice.number)
  assert.deepEqual(numbers(days), ['2', '3'])
  assert.deepEqual(numbers({ ...days, limit: 1 }), ['2'])
})

test('every row is accounted for exactly once, and a mapped row is one line sent', () => {
  const word = (...all: string[]) => fc.constantFrom(...all)
  const row = fc
    .tuple(
      word('1', '2', '3', 'C4', 'C5', 'A6', '-'),
      word('11111', '22222a', '22222A', 'POST', 'M', 'gift_0001_20', '-', '_odd'),
      word('6', '2', '-6', '-2', '0', 'x'),
      word('03T08:00', '03T08:01', '28T10:00', 'nonsense'),
      word('1.25', '0', '0.001', '-3', '-'),
      word('7', '8', '-'),
    )
    .map(values => values.join(' '))
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 40 }), lines => {
      const { steps, rows } = map(lines.join('\n'))
      const sum = (counts: Record<string, number>) => Object.values(counts).reduce((all, count) => all + count, 0)
      assert.equal(rows.total, lines.length)
      assert.equal(sum(rows.mapped) + sum(rows.unmapped), rows.total)
      for (const kind of ['order', 'cancellation', 'return', 'adjustment'] as const) {
        const sent = steps.filter(step => step.kind === kind).reduce((all, step) => all + step.lines.length, 0)
        assert.equal(sent, rows.mapped[kind])
      }
      assert.ok(steps.every((step, index) => index === 0 || step.at >= steps[index - 1]!.at))
    }),
    { numRuns: 500 },
  )
})

test('a file is read zipped or plain, and one with other columns is refused', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'replay-'))
  try {
    const csv = `${COLUMNS.join(',')}\n1,11111,"A, THING",6,2011-01-03T08:00:00,2.55,,UK\n`
    await writeFile(join(directory, 'a.csv'), `\ufeff${csv}`)
    await writeFile(join(directory, 'a.csv.gz'), gzipSync(csv))
    await writeFile(join(directory, 'b.csv'), 'a,b\n1,2\n')
    const plain = await readRows(join(directory, 'a.csv'))
    assert.deepEqual(plain, await readRows(join(directory, 'a.csv.gz')))
    assert.deepEqual([plain[0]?.description, plain[0]?.price, plain[0]?.customer], ['A, THING', 2.55, ''])
    await assert.rejects(readRows(join(directory, 'b.csv')), FileRefused)
    await assert.rejects(readRows(join(directory, 'none.csv')), FileRefused)
  } finally {
    await rm(directory, { recursive: true })
  }
})
