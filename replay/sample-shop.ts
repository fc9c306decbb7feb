import { GOODS, type Good } from './sample-goods.ts'
import { DAY } from './steps.ts'

export type SampleRow = {
  invoice: string
  code: string
  description: string
  quantity: number
  at: number
  price: string
  customer: string
  country: string
}

const MINUTE = 60_000
const MONDAY = Date.UTC(2024, 0, 8)
const WEEKS = 8
const QUANTITIES = [1, 1, 2, 2, 3, 4, 6, 6, 12, 24]
const BULK = [12, 24, 36, 48]
const FASHION_FROM_DAY = 29
const NOTES = ['damages', '?', 'found', '', 'check', 'thrown away', 'wet', '']

/** Eight weeks of an invented gift shop, with every kind of dirt that the real file has. `random` gives [0, 1). */
export function sampleRows(random: () => number): SampleRow[] {
  const rows: SampleRow[] = []
  const below = (n: number) => Math.floor(random() * n)
  const pick = <T>(all: readonly T[]): T => all[below(all.length)]!
  const shelf = GOODS.flatMap(good => Array.from({ length: good.weight }, () => good))
  // From the fifth week otters and quinces are the fashion, and in bulk: stock runs low, orders are short, deliveries catch up.
  const fashion = GOODS.filter(good => /^(OTTER|QUINCE)/.test(good.name))
  let number = 900_000
  const next = (prefix = '') => `${prefix}${++number}`
  const line = (invoice: string, at: number, customer: string, good: Good, quantity: number): SampleRow => ({
    invoice,
    // Case twins: the same product typed in lower case.
    code: below(8) === 0 ? good.code.toLowerCase() : good.code,
    description: below(60) === 0 ? '' : good.name,
    quantity,
    at,
    price: good.price.toFixed(2),
    customer,
    country: customer.endsWith('7') ? 'Ireland' : 'United Kingdom',
  })
  const ordered = (invoice: string, at: number, customer: string, day: number) =>
    day >= FASHION_FROM_DAY && below(3) === 0
      ? line(invoice, at, customer, pick(fashion), pick(BULK))
      : line(invoice, at, customer, pick(shelf), pick(QUANTITIES))
  const extra = (row: SampleRow, code: string, description: string, quantity: number, price: string): SampleRow => ({
    ...{ ...row, code, description, quantity, price },
  })

  let count = 0
  for (let day = 0; day < WEEKS * 7; day += 1) {
    if (day % 7 > 4) continue
    for (let nth = 0; nth < 6; nth += 1) {
      count += 1
      const at = MONDAY + day * DAY + (8 * 60 + nth * 90 + below(60)) * MINUTE
      const invoice = next()
      const customer = below(4) === 0 ? '' : String(12_000 + below(45))
      const size = count === 133 ? 300 : 1 + below(9)
      const own = Array.from({ length: size }, () => ordered(invoice, at, customer, day))
      const first = own[0]!
      const last = own.at(-1)!
      // A few invoices straddle a minute.
      if (count % 40 === 7) last.at += MINUTE
      // Billed twice: equal in every column.
      if (count % 12 === 5) own.push({ ...last })
      if (count % 9 === 2) own.push(extra(first, 'POST', 'POSTAGE', 1, '18.00'))
      if (count % 23 === 3) own.push(extra(first, 'M', 'Manual', 1, '4.25'))
      if (count % 31 === 4) own.push(extra(first, 'D', 'Discount', 1, '2.50'))
      if (count % 50 === 9) own.push(extra(first, 'gift_0001_20', 'Gift Voucher £20.00', 1, '16.67'))
      if (count % 60 === 11) own.push(extra(first, 'PADS', 'PADS FOR ALL CUSHIONS', 1, '0.001'))
      // A gift to a known customer, and a price that rounds to nothing.
      if (count % 30 === 6 && customer !== '') own.push({ ...line(invoice, at, customer, pick(shelf), 2), price: '0.0' })
      if (count % 70 === 13) own.push({ ...line(invoice, at, customer, pick(shelf), 1), price: '0.001' })
      rows.push(...own)

      const goods = own.filter(row => /^\d/.test(row.code))
      if (count % 21 === 10) rows.push(...credit(next('C'), goods, at + 12 * MINUTE))
      else if (count % 13 === 8)
        rows.push(...credit(next('C'), [{ ...goods[0]!, quantity: Math.ceil(goods[0]!.quantity / 2) }], at + 5 * DAY))
      if (count % 16 === 1) {
        const up = below(3) === 0
        const adjusted = {
          ...line(next(), at + 7 * MINUTE, '', pick(GOODS), up ? 5 : -3),
          price: '0.0',
          description: pick(NOTES),
        }
        rows.push(adjusted)
      }
    }
  }
  // A typing error of thousands, taken back twelve minutes later.
  const huge = line(next(), MONDAY + 30 * DAY + 600 * MINUTE, '12046', GOODS[17]!, 48_000)
  const debt = {
    ...huge,
    invoice: next('A'),
    code: 'B',
    description: 'Adjust bad debt',
    quantity: 1,
    customer: '',
    price: '-840.50',
  }
  rows.push(huge, ...credit(next('C'), [huge], huge.at + 12 * MINUTE), { ...debt, at: MONDAY + 40 * DAY + 700 * MINUTE })
  return rows.sort((a, b) => a.at - b.at)
}

/** A credit note: the rows taken back, all at one moment. */
function credit(invoice: string, rows: readonly SampleRow[], at: number): SampleRow[] {
  return rows.map(row => ({ ...row, invoice, quantity: -row.quantity, at }))
}
