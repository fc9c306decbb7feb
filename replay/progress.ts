import { isoDay } from './steps.ts'

export type Progress =
  | { readonly note: string }
  | {
      readonly done: number
      readonly total: number
      readonly ordersPerSecond: number
      readonly short: number
      readonly retries: number
      /** the replayed moment, ms */
      readonly at: number
    }

/** A terminal's line may be rewritten often; a log should have a line every few seconds. */
const TERMINAL_EVERY_MS = 100
const LOG_EVERY_MS = 5_000

type Output = { isTTY?: boolean; write(text: string): unknown }

/** One line that rewrites itself on a terminal, a line each five seconds elsewhere. `end` leaves the cursor on a fresh line. */
export function progressTo(output: Output, now: () => number): { show(progress: Progress): void; end(): void } {
  const every = output.isTTY ? TERMINAL_EVERY_MS : LOG_EVERY_MS
  let last = Number.NEGATIVE_INFINITY
  let dirty = false
  return {
    show(progress) {
      const complete = !('note' in progress) && progress.done === progress.total
      if (now() - last < every && !complete) return
      last = now()
      if (output.isTTY) output.write(`\r\x1b[2K${progressLine(progress)}`)
      else output.write(`${progressLine(progress)}\n`)
      dirty = output.isTTY === true
    },
    end() {
      if (dirty) output.write('\n')
    },
  }
}

export function progressLine(progress: Progress): string {
  if ('note' in progress) return progress.note
  const { done, total, ordersPerSecond, short, retries, at } = progress
  return `${isoDay(at)}  ${done}/${total} steps  ${ordersPerSecond.toFixed(1)} orders/s  ${short} short  ${retries} retries`
}
