import { z } from 'zod'
import { Id } from '../../shared/fields.ts'
import { AlertBody } from './alert.ts'
import { common, Note, respondToOne, responseOperation } from './response.ts'

export const acknowledge = responseOperation({
  ...common,
  id: 'alerts-acknowledge',
  route: 'POST /v1/alerts/{id}/acknowledge',
  summary: 'Acknowledge an alert',
  description: 'Somebody is at it. It comes back when the stock gets worse, and ends when the stock has recovered.',
  problems: ['not_found', 'alert_resolved'],
  example: { note: 'Ordered, comes on Friday.' },
  input: z.strictObject({ id: Id, note: Note }),
  output: AlertBody,
  handle: (deps, { id, note }, call) => respondToOne(deps, id, { action: 'acknowledge' }, note, call),
})
