import { z } from 'zod'
import { idempotently } from '../../shared/data/idempotency.ts'
import { Rejected } from '../../shared/errors.ts'
import { Id } from '../../shared/fields.ts'
import { type Call, Reply } from '../../shared/function/operation.ts'
import { problemOf } from '../../shared/function/problem.ts'
import { type Alert, alertStates } from './alert.ts'
import type { AlertResponse } from './lifecycle.ts'
import { common, Note, type Responding, respondTo, responseOperation } from './response.ts'
import { SnoozeTime, snoozedUntil } from './snooze.ts'

const Ids = z.array(Id).min(1).max(1_000)

const Output = z
  .object({
    results: z.array(
      z.object({
        id: Id,
        state: z.enum(alertStates).optional(),
        problem: z.looseObject({ code: z.string() }).optional().meta({ description: 'RFC 9457: why it was not done.' }),
      }),
    ),
  })
  .meta({ id: 'AlertResponses' })

const many = {
  ...common,
  description: 'Each for itself: one that is unknown or over stops no other.',
  output: Output,
} as const
const ids = ['0198c0de-0000-7000-8000-000000000000']

export const acknowledgeMany = responseOperation({
  ...many,
  id: 'alerts-acknowledge-many',
  route: 'POST /v1/alerts/acknowledge',
  summary: 'Acknowledge many alerts',
  example: { ids, note: 'One order for all of them.' },
  input: z.strictObject({ ids: Ids, note: Note }),
  handle: (deps, input, call) => respondToMany(deps, input, { action: 'acknowledge' }, call),
})

export const resolveMany = responseOperation({
  ...many,
  id: 'alerts-resolve-many',
  route: 'POST /v1/alerts/resolve',
  summary: 'Resolve many alerts',
  example: { ids, note: 'The whole series is discontinued.' },
  input: z.strictObject({ ids: Ids, note: Note }),
  handle: (deps, input, call) => respondToMany(deps, input, { action: 'resolve' }, call),
})

export const snoozeMany = responseOperation({
  ...many,
  id: 'alerts-snooze-many',
  route: 'POST /v1/alerts/snooze',
  summary: 'Put many alerts off',
  example: { ids, minutes: 240, note: 'The truck is late.' },
  input: SnoozeTime.safeExtend({ ids: Ids, note: Note }),
  handle: (deps, input, call) => respondToMany(deps, input, { action: 'snooze', until: snoozedUntil(input, deps.now()) }, call),
})

const respondToMany = (
  deps: Responding,
  { ids, note }: { ids: readonly string[]; note?: string | undefined },
  response: AlertResponse,
  call: Call,
) =>
  idempotently(deps.db.alerts, call, async tx => {
    const outcomes = await respondTo(tx, [...new Set(ids)], response, note, deps, call)
    const results = ids.map(id => {
      const outcome = outcomes.get(id) as Alert | Rejected
      return outcome instanceof Rejected ? { id, problem: { ...problemOf(outcome) } } : { id, state: outcome.state }
    })
    return Reply.of(200, { results })
  })
