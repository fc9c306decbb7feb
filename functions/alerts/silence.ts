import { z } from 'zod'
import type { Queryable } from '../../shared/data/postgres.ts'
import { Rejected } from '../../shared/errors.ts'
import { Count, Id, Timestamp } from '../../shared/fields.ts'
import { operation } from '../../shared/function/operation.ts'
import type { Deps } from '../../shared/function/resources.ts'
import { Matchers, matchersOf } from './matchers.ts'

export const silenceUses = ['db:alerts'] as const
export type Silencing = Deps<typeof silenceUses>
export const silenceOperation = operation<Silencing>()

export const silenceStates = ['pending', 'active', 'expired'] as const
export type SilenceState = (typeof silenceStates)[number]

export interface Silence {
  readonly id: string
  readonly matchers: Matchers
  readonly startsAt: Date
  readonly endsAt: Date
  readonly comment: string
  readonly createdBy: string
  readonly createdAt: Date
  readonly version: number
}

export const stateOf = ({ startsAt, endsAt }: Pick<Silence, 'startsAt' | 'endsAt'>, now: Date): SilenceState =>
  endsAt <= now ? 'expired' : startsAt <= now ? 'active' : 'pending'

/** Days: what is to be quiet for longer has the wrong threshold, or none that it needs. */
const longest = 366

export const Comment = z.string().trim().min(1).max(500).meta({ description: 'Why, for who wonders why nobody was told.' })
export const Minutes = z
  .int()
  .min(1)
  .max(longest * 24 * 60)
  .meta({ description: 'How long, from its beginning; or give `endsAt`.' })

/** The rule of a silence's time. Throws Rejected that names the field. */
export function checkTime(startsAt: Date, endsAt: Date, now: Date): void {
  if (endsAt <= startsAt) throw wrongTime('endsAt', 'must be after startsAt')
  if (endsAt <= now) throw wrongTime('endsAt', 'must be in the future')
  if (endsAt.getTime() - Math.max(startsAt.getTime(), now.getTime()) > longest * 86_400_000) {
    throw wrongTime('endsAt', `at most ${longest} days`)
  }
}

export const wrongTime = (field: string, message: string): Rejected =>
  new Rejected('invalid_input', `${field}: ${message}`, { errors: [{ field, message }] })

export const endOf = (startsAt: Date, minutes: number | undefined, endsAt: string | undefined): Date =>
  minutes === undefined ? new Date(endsAt as string) : new Date(startsAt.getTime() + minutes * 60_000)

export const SilenceBody = z
  .object({
    id: Id,
    state: z.enum(silenceStates),
    matchers: Matchers,
    startsAt: Timestamp,
    endsAt: Timestamp,
    comment: z.string(),
    createdBy: z.string(),
    createdAt: Timestamp,
    version: Count.meta({ description: 'Counts its changes; its ETag.' }),
  })
  .meta({ id: 'Silence' })

export const silenceBody = (silence: Silence, now: Date): z.output<typeof SilenceBody> => ({
  ...silence,
  state: stateOf(silence, now),
  startsAt: silence.startsAt.toISOString(),
  endsAt: silence.endsAt.toISOString(),
  createdAt: silence.createdAt.toISOString(),
})

/** What of a silence its history keeps. */
export const contentOf = ({ matchers, startsAt, endsAt, comment }: Silence) => ({ matchers, startsAt, endsAt, comment })

/** Of a row that is called `m`. */
export const silenceColumns = (sql: Queryable) => sql`
  m.id, ${matchersOf(sql)} as matchers, m.starts_at as "startsAt", m.ends_at as "endsAt", m.comment, m.created_by as "createdBy",
  m.created_at as "createdAt", m.version`

export async function readSilence(sql: Queryable, id: string, lock: 'unlocked' | 'locked' = 'unlocked'): Promise<Silence> {
  const [silence] = await sql<Silence[]>`
    select ${silenceColumns(sql)} from silence m where m.id = ${id} ${lock === 'locked' ? sql`for update` : sql``}`
  if (!silence) throw new Rejected('not_found', `There is no silence ${id}.`)
  return silence
}
