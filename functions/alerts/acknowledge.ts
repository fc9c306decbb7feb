import { z } from 'zod'
import { Id } from '../../shared/fields.ts'
import { AlertBody } from './alert.ts'
import { common, Note, respondToOne, responseOperation } from './response.ts'

/** A pager or a link in a message acknowledges for a person: the history says both. */
const OnBehalfOf = z.string().trim().min(1).max(100).optional().meta({
  description: 'Who has acknowledged it elsewhere, where the caller only passes it on.',
  example: 'pagerduty: Ann',
})

export const acknowledge = responseOperation({
  ...common,
  id: 'alerts-acknowledge',
  route: 'POST /v1/alerts/{id}/acknowledge',
  summary: 'Acknowledge an alert',
  description: 'Somebody is at it. It comes back when the stock gets worse, and ends when the stock has recovered.',
  problems: ['not_found', 'alert_resolved'],
  example: { note: 'Ordered, comes on Friday.' },
  input: z.strictObject({ id: Id, note: Note, onBehalfOf: OnBehalfOf }),
  output: AlertBody,
  handle: (deps, { id, note, onBehalfOf }, call) => {
    const by = onBehalfOf === undefined ? call : { ...call, subject: `${onBehalfOf} (by ${call.subject})` }
    return respondToOne(deps, id, { action: 'acknowledge' }, note, by)
  },
})
