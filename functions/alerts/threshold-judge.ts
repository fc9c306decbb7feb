import { isWorse, judge, type Seen, type Severity, type Standing, severityOf, type Threshold, type Verdict } from './alert.ts'

/** What has been at a place, for one rule. */
export interface Past {
  /** The alert that stands there. */
  readonly standing: Standing | undefined
  /** Since when a breach lasts that is no alert yet. */
  readonly breachedSince: Date | undefined
  /** The end of the last alert that stands no more. */
  readonly lastResolved: { readonly at: Date; readonly severity: Severity } | undefined
}

export interface Timing {
  /** So long a breach must last before it is an alert. */
  readonly forSeconds: number
  /** So long after the last alert only a worse one is raised. */
  readonly dedupSeconds: number
}

export interface Judgement {
  readonly verdict: Verdict | 'wait'
  /** Of a breach that waits: since when it lasts, and when it is to be judged again. */
  readonly waiting?: { readonly since: Date; readonly dueAt: Date }
}

/** The verdict on the stock, held back until it has lasted and the last alert is over long enough. What waits and recovers was nothing. */
export function judgeInTime(
  stock: Seen,
  threshold: Threshold | undefined,
  { forSeconds, dedupSeconds }: Timing,
  { standing, breachedSince, lastResolved }: Past,
  now: Date,
): Judgement {
  const verdict = judge(stock, threshold, standing)
  // What stands has waited already: worse is told at once.
  if (verdict !== 'raise' || standing || threshold === undefined) return { verdict }
  const since = breachedSince ?? now
  const isNews = !lastResolved || isWorse(severityOf(stock.available, threshold), lastResolved.severity)
  const dueAt = Math.max(after(since, forSeconds), isNews ? 0 : after(lastResolved.at, dedupSeconds))
  if (dueAt <= now.getTime()) return { verdict }
  return { verdict: 'wait', waiting: { since, dueAt: new Date(dueAt) } }
}

const after = (time: Date, seconds: number): number => time.getTime() + seconds * 1_000
