import type { LoadResult } from '../load/generator.ts'
import type { Processor } from '../load/process-figures.ts'
import { absolute, compared, median, progress, type Result, shown } from '../measure.ts'
import type { Bystanders } from './bystanders.ts'

/** One point of the curve: what was offered, as a share of the capacity, and what came of it. */
export interface Point extends LoadResult {
  readonly share: number
  readonly capacity: number
  readonly beside: Bystanders
  /** MiB of the function. */
  readonly memory: { readonly before: number; readonly after: number }
  readonly processor: Processor
  /** Reservations in the database afterwards. */
  readonly kept: number
}

/** MiB that the function declares as its limit. */
const memoryLimit = 1_024

/** A load that runs or waits for a core for more of the time than this is itself the limit. */
const busyLimit = 0.9

const percent = (share: number) => `${Math.round(share * 100)} %`
const ms = (value: number) => (Number.isNaN(value) ? '–' : shown(Math.round(value)))
const refusalsOf = (point: Point) => point.refusals as NonNullable<Point['refusals']>

export function tell(point: Point): void {
  const { share, perSecond, p50, p99, beside, memory, processor } = point
  const { offered, refusedPerSecond, refusedP50, refusedP99, others, late, processor: load } = refusalsOf(point)
  progress(
    [
      `  ${share} × ${shown(point.capacity)}: offered ${shown(offered)}/s, done ${shown(perSecond)}/s p50 ${ms(p50)} p99 ${ms(p99)} ms`,
      `refused ${shown(refusedPerSecond)}/s p50 ${ms(refusedP50)} p99 ${ms(refusedP99)} ms, other ${others}`,
      `probe p99 ${ms(beside.probe)}, read p99 ${ms(beside.read)} ms`,
      `memory ${ms(memory.before)} → ${ms(memory.after)} MiB`,
      `the function ran ${percent(processor.ran)} and waited for a core ${percent(processor.waited)} of the time`,
      `requests went out late by p99 ${ms(late)} ms, the load ran ${percent(load.ran)} and waited for a core ${percent(load.waited)} of the time${load.ran + load.waited > busyLimit ? ': it was the limit' : ''}`,
    ].join('; '),
  )
}

/** The curve: medians of the rounds. `late`: what a request waited for a connection before it went out. `waited`: of the time in which the function could have run, and something else had the cores. */
export function table(points: readonly Point[]): string {
  const shares = [...new Set(points.map(({ share }) => share))]
  const rows = shares.map(share => {
    const of = (read: (point: Point) => number) => median(points.filter(point => point.share === share).map(read))
    return [
      `${share} ×`,
      shown(of(point => refusalsOf(point).offered)),
      shown(of(({ perSecond }) => perSecond)),
      percent(of(({ perSecond, capacity }) => perSecond / capacity)),
      `${ms(of(({ p50 }) => p50))} / ${ms(of(({ p99 }) => p99))}`,
      shown(of(point => refusalsOf(point).refusedPerSecond)),
      `${ms(of(point => refusalsOf(point).refusedP50))} / ${ms(of(point => refusalsOf(point).refusedP99))}`,
      `${ms(of(({ beside }) => beside.probe))} / ${ms(of(({ beside }) => beside.read))}`,
      ms(of(({ memory }) => memory.after)),
      ms(of(point => refusalsOf(point).late)),
      `${percent(of(({ processor }) => processor.ran))} / ${percent(of(({ processor }) => processor.waited))}`,
    ]
  })
  const heads = [
    'offered',
    '/s',
    'done/s',
    'of capacity',
    'p50 / p99 ms',
    'refused/s',
    'p50 / p99 ms',
    'probe / read p99 ms',
    'MiB',
    'late p99 ms',
    'ran / waited',
  ]
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map(row => (row[column] as string).length)))
  return [heads, ...rows].map(row => row.map((cell, column) => cell.padStart(widths[column] as number)).join('  ')).join('\n')
}

/** What must be true of the curve. */
export function judged(points: readonly Point[]): readonly Result[] {
  const of = (share: number) => points.filter(point => point.share === share)
  const thrice = of(3)
  const atThrice = (name: string, unit: string, read: (point: Point) => number, atMost: number) =>
    absolute(`${name} with 3 × the capacity offered`, unit, median(thrice.map(read)), { atMost })
  const none = (name: string, read: (point: Point) => number) =>
    absolute(
      name,
      '',
      points.reduce((sum, point) => sum + read(point), 0),
      { atMost: 0 },
    )
  const done = thrice.map(({ perSecond, capacity }) => ({ done: perSecond, capacity }))
  const memory = thrice.map((point, round) => ({ thrice: point.memory.after, twice: (of(2)[round] as Point).memory.after }))
  return [
    compared('reservations with 3 × the capacity offered, against the capacity', '/s', done, 'done', 'capacity', {
      atLeast: 0.8,
    }),
    atThrice('a reservation, p99,', 'ms', ({ p99 }) => p99, 1_000),
    atThrice('a refusal, p99,', 'ms', point => refusalsOf(point).refusedP99, 1_000),
    atThrice('the readiness probe, p99,', 'ms', ({ beside }) => beside.probe, 500),
    atThrice('a read of one SKU, p99,', 'ms', ({ beside }) => beside.read, 500),
    absolute('memory at most', 'MiB', Math.max(...points.map(({ memory }) => memory.after)), { atMost: memoryLimit }),
    compared('memory after 3 × against after 2 ×', 'MiB', memory, 'thrice', 'twice', { atMost: 1.25 }),
    none('refusals without Retry-After', point => refusalsOf(point).withoutRetryAfter),
    none('answers that were neither a reservation nor a refusal', point => refusalsOf(point).others),
    none('reservations answered and not kept, or kept and not answered', point => Math.abs(point.kept - refusalsOf(point).done)),
  ]
}
