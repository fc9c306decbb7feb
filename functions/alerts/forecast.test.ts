import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { groupInvoices } from '../../replay/invoices.ts'
import { mapInvoices } from '../../replay/mapping.ts'
import { readRows } from '../../replay/rows.ts'
import { demandWithin, forecastOf } from './forecast.ts'
import { addSales, dayOf, type Sales, velocityOf, weekdayOf, wholeDays } from './velocity.ts'

/** A Thursday. */
const today = 20_000 - (20_000 % 7)
const days = fc.array(fc.nat({ max: 500 }), { maxLength: 84 })

test('a shop that sells the same every day will go on so', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 500 }),
      fc.integer({ min: 1, max: 84 }),
      fc.integer({ min: 1, max: 60 }),
      (units, length, ahead) => {
        const demand = demandWithin(forecastOf(Array(length).fill(units), today), today, ahead)
        assert.ok(Math.abs(demand - units * ahead) < 1e-6 * units * ahead)
      },
    ),
  )
})

test('a shop that is closed at weekends and busy on Mondays is expected to be so', () => {
  const week = [10, 30, 10, 10, 10, 0, 0]
  // From a Thursday on: Monday is the fifth.
  const history = Array.from({ length: 56 }, (_, index) => {
    const weekday = weekdayOf(today - 56 + index)
    return weekday === 0 || weekday === 6 ? 0 : weekday === 1 ? 30 : 10
  })
  const forecast = forecastOf(history, today)
  const expected = (weekday: number) => forecast.level * (forecast.factors[weekday] as number)
  assert.deepEqual([expected(0), expected(6)], [0, 0])
  assert.ok(expected(1) > 2 * expected(2), JSON.stringify(forecast))
  const sum = week.reduce((all, one) => all + one, 0)
  assert.ok(Math.abs(demandWithin(forecast, today, 7) - sum) < 0.2 * sum, `${demandWithin(forecast, today, 7)}`)
})

test('demand that rises or falls is followed', () => {
  const at = (units: number) => demandWithin(forecastOf([...Array(56).fill(10), ...Array(14).fill(units)], today), today, 7) / 7
  assert.ok(at(40) > 25 && at(40) < 45, `${at(40)}`)
  assert.ok(at(1) < 5, `${at(1)}`)
})

test('a forecast is never less than nothing, never more than was ever sold, and further ahead never less', () => {
  fc.assert(
    fc.property(days, fc.integer({ min: 1, max: 60 }), (history, ahead) => {
      const forecast = forecastOf(history, today)
      const demand = demandWithin(forecast, today, ahead)
      assert.ok(demand >= 0 && Number.isFinite(demand))
      assert.ok(demand <= demandWithin(forecast, today, ahead + 1))
      if (history.every(units => units === 0)) assert.equal(demand, 0)
    }),
  )
})

test('twice the sales are twice the forecast', () => {
  fc.assert(
    fc.property(days, history => {
      const once = demandWithin(forecastOf(history, today), today, 14)
      const twice = demandWithin(
        forecastOf(
          history.map(units => 2 * units),
          today,
        ),
        today,
        14,
      )
      assert.ok(Math.abs(twice - 2 * once) <= 1e-6 * (1 + once))
    }),
  )
})

const real =
  process.env.TIDEMARK_RETAIL_DATA ?? fileURLToPath(new URL('../../../shared/data/online-retail.csv.gz', import.meta.url))

test("on a real retailer's ten months three days and a week are foretold better than by the mean day of four weeks, and the shop is closed on Saturdays", {
  skip: !existsSync(real),
}, async context => {
  const { invoices } = groupInvoices(await readRows(real))
  const { steps } = mapInvoices(invoices)
  const sold = new Map<string, Map<number, number>>()
  for (const step of steps) {
    if (step.kind !== 'order') continue
    for (const { sku, quantity } of step.lines) {
      const own = sold.get(sku) ?? new Map<number, number>()
      sold.set(sku, own.set(dayOf(new Date(step.at)), (own.get(dayOf(new Date(step.at))) ?? 0) + quantity))
    }
  }
  // What all sell together, then the hundred goods that sell on most days: others are too rare for any method.
  const all = new Map<number, number>()
  for (const own of sold.values()) for (const [day, units] of own) all.set(day, (all.get(day) ?? 0) + units)
  const busiest = [...sold.values()].sort((a, b) => b.size - a.size).slice(0, 100)
  for (const [days, most] of [
    [3, 0.3],
    [7, 0.25],
  ] as const) {
    const [shop, goods] = [errorsOf([all], days), errorsOf(busiest, days)]
    context.diagnostic(`mean error of ${days} days, of their sales: shop ${shown(shop)}; 100 busiest goods ${shown(goods)}`)
    assert.ok(shop.forecast < most && shop.forecast < shop.mean, shown(shop))
    assert.ok(goods.forecast < goods.mean, shown(goods))
  }
  assert.equal(forecastOf(wholeDays(salesOf(all), lastDay(all)), lastDay(all)).factors[6], 0)
})

const shown = ({ forecast, mean }: { forecast: number; mean: number }) =>
  `forecast ${(forecast * 100).toFixed(1)} %, mean of four weeks ${(mean * 100).toFixed(1)} %`

const lastDay = (sold: ReadonlyMap<number, number>) => Math.max(...sold.keys())

function salesOf(sold: ReadonlyMap<number, number>): Sales | undefined {
  let sales: Sales | undefined
  for (const [day, units] of sold) sales = addSales(sales, day, units)
  return sales
}

/** The absolute errors of the forecasts of some days, each made on the day before them, over what they sold. */
function errorsOf(goods: readonly ReadonlyMap<number, number>[], ahead: number): { forecast: number; mean: number } {
  let [forecast, mean, actual] = [0, 0, 0]
  for (const sold of goods) {
    let sales: Sales | undefined
    const [first, last] = [Math.min(...sold.keys()), lastDay(sold)]
    for (let day = first; day <= last - ahead; day++) {
      if (day >= first + 56 && weekdayOf(day) % 2 === 0) {
        const units = Array.from({ length: ahead }, (_, index) => sold.get(day + 1 + index) ?? 0).reduce(
          (all, one) => all + one,
          0,
        )
        forecast += Math.abs(demandWithin(forecastOf(wholeDays(sales, day), day), day, ahead) - units)
        mean += Math.abs(velocityOf(sales, day, 28) * ahead - units)
        actual += units
      }
      sales = addSales(sales, day, sold.get(day) ?? 0)
    }
  }
  return { forecast: forecast / actual, mean: mean / actual }
}
