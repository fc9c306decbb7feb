/** One step of a policy: whom to tell when nobody has acknowledged the alert so long. */
export interface Step {
  /** Minutes after the alert was told, or after the step before. */
  readonly afterMinutes: number
  /** `recipient:<id>`, `group:<name>` or `role:<name>`. */
  readonly targets: readonly string[]
  /** Empty: as each prefers. */
  readonly channels: readonly string[]
}

export interface Plan {
  readonly steps: readonly Step[]
  /** How often all steps are taken again. */
  readonly repeat: number
}

/** How far a policy has come with one telling of an alert. */
export interface Run {
  readonly startedAt: Date
  /** Steps taken, through the repetitions. */
  readonly taken: number
  readonly lastAt: Date | null
}

export type Next =
  | { readonly kind: 'tell'; readonly step: Step }
  | { readonly kind: 'wait'; readonly until: Date }
  | { readonly kind: 'over' }

/**
 * The next step of an alert that nobody has acknowledged. A delay counts from when the step before was really taken: after hours in
 * which nothing ran, people are not told everything at once.
 */
export function nextStep({ steps, repeat }: Plan, { startedAt, taken, lastAt }: Run, now: Date): Next {
  const step = steps[taken % steps.length]
  if (!step || taken >= steps.length * (1 + repeat)) return { kind: 'over' }
  const until = new Date((lastAt ?? startedAt).getTime() + step.afterMinutes * 60_000)
  return until <= now ? { kind: 'tell', step } : { kind: 'wait', until }
}

/** A policy begins when the alert was told, or when the policy was last changed: a new one does not wake everybody for what is old. */
export const startOf = (toldAt: Date, policyChangedAt: Date): Date => (toldAt > policyChangedAt ? toldAt : policyChangedAt)
