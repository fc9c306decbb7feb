/** One line of a bench: what was measured, beside the reference of the same run. */
export interface Result {
  readonly name: string
  readonly value: number
  readonly unit: string
  /** The reference in the same unit; null where the target is absolute. */
  readonly reference: number | null
  /** The median of the rounds' ratios; null where the target is absolute. */
  readonly ratio: number | null
  readonly target: string
  readonly ok: boolean
}

/** A bound on the ratio (`×`) or, without a reference, on the value. */
export interface Bound {
  readonly atLeast?: number
  readonly atMost?: number
}

export type Progress = (line: string) => void

export const progress: Progress = line => process.stderr.write(`${line}\n`)

export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new Error('Nothing was measured.')
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(Math.floor(share * sorted.length), sorted.length - 1)] as number
}

export const median = (values: readonly number[]): number => quantile(values, 0.5)

/** Rounds in which every side is measured once, one after another. */
export type Rounds<Side extends string> = readonly Readonly<Record<Side, number>>[]

/**
 * Measures each side in every round, so that what else the machine does falls on all of them. The order turns by one each round:
 * no side is always the one after the others.
 */
export async function alternate<Side extends string>(
  rounds: number,
  sides: Readonly<Record<Side, () => Promise<number>>>,
  say: Progress,
): Promise<Rounds<Side>> {
  const names = Object.keys(sides) as Side[]
  const measured: Record<Side, number>[] = []
  for (let round = 0; round < rounds; round++) {
    const figures = {} as Record<Side, number>
    for (let turn = 0; turn < names.length; turn++) {
      const name = names[(round + turn) % names.length] as Side
      figures[name] = await sides[name]()
    }
    measured.push(figures)
    say(`  round ${round + 1}: ${names.map(name => `${name} ${shown(figures[name])}`).join(', ')}`)
  }
  return measured
}

/** The median of the ratios within a round: the machine's speed changes between rounds, the ratio hardly. */
export function compared<Side extends string>(
  name: string,
  unit: string,
  rounds: Rounds<Side>,
  side: NoInfer<Side>,
  reference: NoInfer<Side>,
  bound: Bound,
): Result {
  const ratio = median(rounds.map(round => round[side] / round[reference]))
  return {
    name,
    value: median(rounds.map(round => round[side])),
    unit,
    reference: median(rounds.map(round => round[reference])),
    ratio,
    target: `${written(bound)} ×`,
    ok: holds(ratio, bound),
  }
}

/** A value with a target of its own. */
export const absolute = (name: string, unit: string, value: number, bound: Bound): Result => ({
  name,
  value,
  unit,
  reference: null,
  ratio: null,
  target: `${written(bound)} ${unit}`,
  ok: holds(value, bound),
})

const holds = (value: number, { atLeast = -Infinity, atMost = Infinity }: Bound): boolean => value >= atLeast && value <= atMost

const written = ({ atLeast, atMost }: Bound): string => (atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`)

export const shown = (value: number): string =>
  value.toLocaleString('en-GB', { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 })

export function line(result: Result): string {
  const { name, value, unit, reference, ratio, target, ok } = result
  const beside = reference === null || ratio === null ? '' : `, reference ${shown(reference)} ${unit}, ratio ${shown(ratio)}`
  return `${ok ? 'ok  ' : 'MISS'} ${name}: ${shown(value)} ${unit}${beside} (target ${target})`
}
