import { z } from 'zod'
import { Rejected } from '../../shared/errors.ts'
import { Id, Timestamp } from '../../shared/fields.ts'
import { AlertBody } from './alert.ts'
import { common, Note, respondToOne, responseOperation } from './response.ts'

/** Minutes: what is put off for longer than thirty days has the wrong threshold. */
const longest = 30 * 24 * 60

/** How long something is put off. */
export const SnoozeTime = z
  .strictObject({ minutes: z.int().min(1).max(longest).optional(), until: Timestamp.optional() })
  .refine(({ minutes, until }) => (minutes === undefined) !== (until === undefined), {
    path: ['minutes'],
    message: 'give either minutes or until',
  })

/** Throws Rejected when it is too long. */
export function snoozedUntil({ minutes, until }: z.output<typeof SnoozeTime>, now: Date): Date {
  const time = minutes === undefined ? Date.parse(until as string) : now.getTime() + minutes * 60_000
  if (time <= now.getTime() + longest * 60_000) return new Date(time)
  const message = 'at most 30 days from now'
  throw new Rejected('invalid_input', `until: ${message}`, { errors: [{ field: 'until', message }] })
}

export const snooze = responseOperation({
  ...common,
  id: 'alerts-snooze',
  route: 'POST /v1/alerts/{id}/snooze',
  summary: 'Put an alert off',
  description: 'It is told again when the time is over or the stock gets worse, and ends when the stock has recovered.',
  problems: ['not_found', 'alert_resolved'],
  example: { minutes: 240, note: 'The truck is late.' },
  input: SnoozeTime.safeExtend({ id: Id, note: Note }),
  output: AlertBody,
  handle: (deps, { id, note, ...time }, call) =>
    respondToOne(deps, id, { action: 'snooze', until: snoozedUntil(time, deps.now()) }, note, call),
})
