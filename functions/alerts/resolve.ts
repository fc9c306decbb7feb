import { z } from 'zod'
import { Id } from '../../shared/fields.ts'
import { AlertBody } from './alert.ts'
import { common, Note, respondToOne, responseOperation } from './response.ts'

export const resolve = responseOperation({
  ...common,
  id: 'alerts-resolve',
  route: 'POST /v1/alerts/{id}/resolve',
  summary: 'Resolve an alert',
  description: 'For who knows better than the figures. Only worse raises the next one, until the stock has recovered once.',
  problems: ['not_found'],
  example: { note: 'Discontinued.' },
  input: z.strictObject({ id: Id, note: Note }),
  output: AlertBody,
  handle: (deps, { id, note }, call) => respondToOne(deps, id, { action: 'resolve' }, note, call),
})
