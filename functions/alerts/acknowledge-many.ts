import { z } from 'zod'
import { idempotently } from '../../shared/data/idempotency.ts'
import { Rejected } from '../../shared/errors.ts'
import { Id } from '../../shared/fields.ts'
import { Reply } from '../../shared/function/operation.ts'
import { problemOf } from '../../shared/function/problem.ts'
import { type Alert, alertStates } from './alert.ts'
import { common, Note, respondTo, responseOperation } from './response.ts'

const limit = 1_000

export const acknowledgeMany = responseOperation({
  ...common,
  id: 'alerts-acknowledge-many',
  route: 'POST /v1/alerts/acknowledge',
  summary: 'Acknowledge many alerts',
  description: 'Each for itself: one that is resolved or unknown stops no other.',
  example: { ids: ['0198c0de-0000-7000-8000-000000000000'], note: 'One order for all of them.' },
  input: z.strictObject({ ids: z.array(Id).min(1).max(limit), note: Note }),
  output: z
    .object({
      results: z.array(
        z.object({
          id: Id,
          state: z.enum(alertStates).optional(),
          problem: z.looseObject({ code: z.string() }).optional().meta({ description: 'RFC 9457: why it was not acknowledged.' }),
        }),
      ),
    })
    .meta({ id: 'AlertsAcknowledged' }),
  handle: (deps, { ids, note }, call) =>
    idempotently(deps.db.alerts, call, async tx => {
      const outcomes = await respondTo(tx, [...new Set(ids)], { action: 'acknowledge' }, note, deps, call)
      const results = ids.map(id => {
        const outcome = outcomes.get(id) as Alert | Rejected
        return outcome instanceof Rejected ? { id, problem: { ...problemOf(outcome) } } : { id, state: outcome.state }
      })
      return Reply.of(200, { results })
    }),
})
