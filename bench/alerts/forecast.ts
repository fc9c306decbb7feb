import { fileURLToPath } from 'node:url'
import {
  type GivenThreshold,
  NewThreshold,
  type RuleType,
  ruleTypes,
  type StoredThreshold,
  storedThreshold,
} from '../../functions/alerts/thresholds.ts'
import { groupInvoices } from '../../replay/invoices.ts'
import { mapInvoices } from '../../replay/mapping.ts'
import { derivePlan, mergePlan } from '../../replay/plan.ts'
import { readRows } from '../../replay/rows.ts'
import { DAY, type DerivedReceiptStep, type Step, totals } from '../../replay/steps.ts'
import { StockBook } from '../../replay/stock-book.ts'
import { absolute, median, progress, type Result } from '../measure.ts'
import { messagesOf } from './messages.ts'
import { Shop } from './shop.ts'

/** Days until a delivery comes: an alert is right when what is there would not have lasted so long. */
const leadDays = 7
/** Days from the first sale on that only teach: nothing is foretold of what is not known yet. */
const learningDays = 28

const file =
  process.env.TIDEMARK_RETAIL_DATA ?? fileURLToPath(new URL('../../../shared/data/online-retail.csv.gz', import.meta.url))

interface StockOut {
  readonly sku: string
  readonly at: number
}

/**
 * A real retailer's months in memory: the stock as the replay derives it, each change judged by a threshold of each type that stands for
 * a week: one mean week (absolute; as the replay sets it, with the whole file known), a quarter of the opening stock (percentage), seven
 * days of cover, and nothing left in seven days (forecast). And once more by what a shop could have set by itself: an absolute level of
 * one mean week of the first four.
 */
export async function forecastBench(): Promise<readonly Result[]> {
  const { invoices, unplaced } = groupInvoices(await readRows(file))
  const { steps: recorded } = mapInvoices(invoices, unplaced)
  const plan = derivePlan(recorded)
  const steps = mergePlan(recorded, plan)
  const from = (steps[0]?.at ?? 0) + learningDays * DAY
  const demand = demandBySku(steps)
  const [ofEachType, known] = [new Shop(thresholdsOf(plan)), new Shop(knownLevels(demand, from))]
  const [walked, walkedByKnown] = [walk(steps, ofEachType), walk(steps, known)]
  const found = [
    ...ruleTypes.map(rule => [rule, foundBy(ofEachType, rule, walked, demand, from)] as const),
    [byKnown, foundBy(known, 'absolute', walkedByKnown, demand, from)] as const,
  ]
  for (const [name, one] of found) {
    progress(
      `  ${name.padEnd(30)}${String(one.raised).padStart(6)} raised; ${percent(one.hits)} would have been empty within ${leadDays} days; ` +
        `${percent(one.foreseen)} of ${one.ends} ends of stock told a day and more before, ${one.lead.toFixed(1)} days in the median; ` +
        `told ${one.told} times, in ${one.messages} grouped messages`,
    )
  }
  const of = (name: string) => found.find(([one]) => one === name)?.[1] as Found
  const [forecast, level, early] = [of('forecast'), of('absolute'), of(byKnown)]
  return [
    absolute('false repeats', 'alerts', ofEachType.falseRepeats + known.falseRepeats, { atMost: 0 }),
    beside('hit rate of the forecast against the absolute threshold', '%', forecast.hits * 100, level.hits * 100),
    beside('hit rate of the forecast against an absolute threshold known by then', '%', forecast.hits * 100, early.hits * 100),
    beside('ends of stock that the forecast told a day and more before', '%', forecast.foreseen * 100, level.foreseen * 100),
    beside('the same against an absolute threshold known by then', '%', forecast.foreseen * 100, early.foreseen * 100),
    beside('lead of the forecast, median', 'days', forecast.lead, level.lead),
    ...ruleTypes.map(rule => grouped(rule, of(rule))),
  ]
}

const byKnown = 'absolute, known on day 29'

interface Found {
  readonly raised: number
  /** Of the alerts: those after which what was there would not have lasted. */
  readonly hits: number
  readonly ends: number
  /** Of the ends of stock: those that an alert had told a day and more before. */
  readonly foreseen: number
  /** Days between the two, median. */
  readonly lead: number
  /** Alerts raised or told again because they got worse: as many messages without grouping. */
  readonly told: number
  /** What the default route makes of them. */
  readonly messages: number
}

function foundBy(shop: Shop, rule: RuleType, { stockOuts, foreseen }: Walked, demand: Demand, from: number): Found {
  const raised = shop.raised.filter(one => one.rule === rule && one.at >= from)
  const hits = raised.filter(one => daysUntilEmpty(demand.get(one.sku) ?? [], one.at, one.available) <= leadDays)
  const ends = stockOuts.filter(({ at }) => at >= from)
  const told = shop.tellings.filter(one => one.rule === rule && one.at >= from)
  const leads = ends.flatMap(out => foreseen.get(out)?.get(rule) ?? [])
  return {
    ...{ raised: raised.length, hits: hits.length / raised.length, ends: ends.length, foreseen: leads.length / ends.length },
    lead: leads.length > 0 ? median(leads) : 0,
    ...{ told: told.length, messages: messagesOf(told) },
  }
}

/** What two ways of telling have against each other is shown; which is better depends on what a shop wants. */
const beside = (name: string, unit: string, value: number, reference: number): Result => ({
  ...{ name, unit, value, reference, ratio: value / reference, target: 'none: shown beside the reference', ok: true },
})

const grouped = (rule: RuleType, { told, messages }: Found): Result => ({
  ...{ name: `messages of ${rule} thresholds, grouped, against ungrouped`, unit: '', value: messages, reference: told },
  ...{ ratio: messages / told, target: '≤ 1 ×', ok: messages <= told },
})

const percent = (share: number) => `${(share * 100).toFixed(1)} %`

function thresholdsOf({ opening, thresholds }: ReturnType<typeof derivePlan>): Map<string, StoredThreshold[]> {
  const full = totals(opening.flatMap(step => step.lines))
  const made = (sku: string, given: Partial<GivenThreshold>) =>
    storedThreshold(NewThreshold.parse({ sku, leadTimeDays: leadDays, ...given }))
  return new Map(
    thresholds
      .flatMap(step => step.levels)
      .map(({ sku, level }) => [
        sku,
        [
          made(sku, { level }),
          made(sku, { type: 'percentage', level: 25, parLevel: Math.max(full.get(sku) ?? 1, 1) }),
          made(sku, { type: 'days_of_cover', level: 0 }),
          made(sku, { type: 'forecast', level: 0 }),
        ],
      ]),
  )
}

/** One mean week of what was asked for before a time; at least a unit. What was not asked for by then has no level. */
function knownLevels(demand: Demand, before: number): Map<string, StoredThreshold[]> {
  return new Map(
    [...demand].flatMap(([sku, all]): [string, StoredThreshold[]][] => {
      const units = all.filter(({ at }) => at < before).reduce((sum, one) => sum + one.units, 0)
      const level = Math.max(1, Math.round((units * leadDays) / learningDays))
      return units === 0 ? [] : [[sku, [storedThreshold(NewThreshold.parse({ sku, level }))]]]
    }),
  )
}

/** When stock ended, and for how many days each rule's alert had stood by then. */
interface Walked {
  readonly stockOuts: readonly StockOut[]
  readonly foreseen: ReadonlyMap<StockOut, ReadonlyMap<RuleType, number>>
}

function walk(steps: readonly Step[], shop: Shop): Walked {
  const book = new StockBook()
  const stockOuts: StockOut[] = []
  const foreseen = new Map<StockOut, Map<RuleType, number>>()
  const empty = new Set<string>()
  const ended = (sku: string, at: number) => {
    if (empty.has(sku)) return
    empty.add(sku)
    const out = { sku, at }
    stockOuts.push(out)
    const days = ruleTypes.flatMap((rule): [RuleType, number][] => {
      const before = (at - (shop.standingSince(sku, rule) ?? at)) / DAY
      return before >= 1 ? [[rule, before]] : []
    })
    foreseen.set(out, new Map(days))
  }
  for (const step of steps) {
    if (step.kind === 'thresholds') continue
    if (step.kind === 'order') {
      for (const [sku, units] of totals(step.lines)) if (units > book.onHand(sku)) ended(sku, step.at)
    }
    if (isReceipt(step)) book.receive(step.lines)
    else if (book.apply(step) !== 'done') continue
    for (const sku of new Set(step.lines.map(line => line.sku))) {
      const available = book.onHand(sku)
      if (available <= 0) ended(sku, step.at)
      if (isReceipt(step) && available > 0) empty.delete(sku)
      shop.see(sku, available, soldBy(step, sku), step.at)
    }
  }
  return { stockOuts, foreseen }
}

const isReceipt = (step: Step): step is DerivedReceiptStep => step.kind === 'opening' || step.kind === 'delivery'

function soldBy(step: Step, sku: string): number {
  if (step.kind === 'order') return totals(step.lines).get(sku) ?? 0
  if (step.kind === 'cancellation' || step.kind === 'return') return -(totals(step.lines).get(sku) ?? 0)
  return 0
}

type Wanted = readonly { readonly at: number; readonly units: number }[]
type Demand = ReadonlyMap<string, Wanted>

/** What was asked for, whether it was there or not; what was cancelled was not wanted. */
function demandBySku(steps: readonly Step[]): Map<string, { at: number; units: number }[]> {
  const cancelled = new Set(steps.flatMap(step => (step.kind === 'cancellation' ? [step.order] : [])))
  const demand = new Map<string, { at: number; units: number }[]>()
  for (const step of steps) {
    if (step.kind !== 'order' || cancelled.has(step.id)) continue
    for (const [sku, units] of totals(step.lines)) {
      const own = demand.get(sku)
      if (own) own.push({ at: step.at, units })
      else demand.set(sku, [{ at: step.at, units }])
    }
  }
  return demand
}

/** Days for which so many units would have been enough, had none been delivered. */
function daysUntilEmpty(demand: Wanted, at: number, units: number): number {
  let left = units
  if (left <= 0) return 0
  for (const one of demand) {
    if (one.at <= at) continue
    left -= one.units
    if (left <= 0) return (one.at - at) / DAY
  }
  return Number.POSITIVE_INFINITY
}
