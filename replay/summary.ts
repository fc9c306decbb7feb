import type { Report } from './report.ts'

type Line = readonly [label: string, value: string]

/** The report for people: figures aligned in one column, then the calls, then what must hold. */
export function summaryText(report: Report): string {
  const { orders, adjustments, derived, rows } = report
  const figures: Line[] = [
    ['orders placed', `${n(orders.placed)}${orders.awaited > 0 ? ` (${n(orders.awaited)} while inventory was away)` : ''}`],
    ['  short', `${n(orders.short)} (${percent(orders.short, orders.placed + orders.short)}, ${n(orders.shortLines)} lines)`],
    ['  cancelled', `${n(orders.cancelled)} (${n(orders.nothingToCancel)} more had nothing to cancel: their order was short)`],
    ['  rejected later', n(orders.rejected)],
    ['units sold', n(orders.unitsSold)],
    ['returns', `${n(report.returns.accepted)} (${n(report.returns.units)} units)`],
    [
      'adjustments',
      `${n(adjustments.accepted)} (net ${n(adjustments.netUnits)} units; ${n(adjustments.short)} refused: more than was there)`,
    ],
    ['derived opening stock', `${n(derived.openingUnits)} units, ${n(derived.thresholds)} thresholds`],
    ['derived deliveries', `${n(derived.deliveryUnits)} units in ${n(derived.deliveries)} receipts`],
    [
      'alerts',
      `${n(report.alerts.raised)} raised, ${n(report.alerts.resolved)} resolved; ${n(report.alerts.told)} told, ${n(report.alerts.cancelled)} over before`,
    ],
    ['mails', `${n(report.mails.sent)} sent, ${n(report.mails.failed)} failed, ${n(report.mails.pending)} pending`],
    ['rows', `${n(rows.total)}: ${mapped(rows.mapped)} (${n(rows.duplicates)} exact duplicates)`],
    ...Object.entries(rows.unmapped)
      .sort(([, a], [, b]) => b - a)
      .map(([reason, count]): Line => [`  not mapped`, `${n(count)} ${reason}`]),
    ['  outside selection', n(rows.outsideSelection)],
    ['retries', n(report.retries)],
    ['elapsed', `${report.seconds.total} s (sending ${report.seconds.sending} s, settling ${report.seconds.settling} s)`],
    ['orders/s', report.ordersPerSecond.toFixed(1)],
  ]
  return [
    `Replay ${report.run} of ${report.file} to ${report.url}`,
    '',
    ...align(figures),
    ...section(
      'Most often short (SKU, lines, units missing)',
      report.topShort.map(short => `${short.sku.padEnd(12)} ${right(short.lines, 6)} ${right(short.missing, 8)}`),
    ),
    ...section('Calls (count, p50, p95, p99 in ms)', calls(report)),
    ...section(
      'Refused for other reasons',
      report.refusals.map(r => `${r.count} × ${r.call}: ${r.status} ${r.code}, first: ${r.first}`),
    ),
    ...section(
      'Stock that differs (SKU, told, found)',
      report.stockDifferences.map(d => `${d.sku.padEnd(12)} ${right(d.told, 8)} ${right(d.found, 8)}`),
    ),
    ...section(
      'Invariants',
      Object.entries(report.invariants).map(([name, holds]) => `${holds ? '✓' : '✗'} ${name}`),
    ),
  ].join('\n')
}

function calls(report: Report): string[] {
  const width = Math.max(0, ...Object.keys(report.calls).map(name => name.length))
  return Object.entries(report.calls).map(
    ([name, { count, p50, p95, p99 }]) =>
      `${name.padEnd(width)} ${right(count, 8)} ${[p50, p95, p99].map(ms => ms.toFixed(1).padStart(9)).join('')}`,
  )
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', title, ...lines.map(line => `  ${line}`)]
}

function align(lines: readonly Line[]): string[] {
  const width = Math.max(...lines.map(([label]) => label.length))
  return lines.map(([label, value]) => `${label.padEnd(width)}  ${value}`)
}

function mapped(counts: Report['rows']['mapped']): string {
  return Object.entries(counts)
    .map(([kind, count]) => `${n(count)} ${kind}`)
    .join(', ')
}

const n = (count: number) => count.toLocaleString('en-GB')
const right = (count: number, width: number) => n(count).padStart(width)
const percent = (part: number, whole: number) => `${(whole === 0 ? 0 : (100 * part) / whole).toFixed(1)} %`
