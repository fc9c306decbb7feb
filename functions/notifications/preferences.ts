import { z } from 'zod'
import { Id } from '../../shared/fields.ts'
import { PreferenceBody, peopleOperation, RecipientBody, recipientReply, versionMismatch, writing } from './people-operation.ts'
import { readRecipient, replacePreferences } from './recipient-rows.ts'

export const setPreferences = peopleOperation({
  id: 'recipients-prefer',
  route: 'PUT /v1/recipients/{id}/preferences',
  summary: "Set a recipient's preferences",
  description:
    'All of them at once, provided that the recipient has not changed since it was read (If-Match). A channel without one has the standard: everything by e-mail, push and webhook, what is critical by SMS and PagerDuty, no digest.',
  allow: writing,
  ifMatch: true,
  problems: ['not_found', 'version_mismatch', 'precondition_required'],
  example: {
    preferences: [
      { channel: 'email', digestAt: '08:00' },
      { channel: 'sms', minimumSeverity: 'out_of_stock' },
    ],
  },
  input: z.strictObject({
    id: Id,
    preferences: z
      .array(PreferenceBody)
      .max(5)
      .refine(all => new Set(all.map(({ channel }) => channel)).size === all.length, 'a channel is named twice'),
  }),
  output: RecipientBody,
  async handle(deps, { id, preferences }, call) {
    const database = deps.db.notifications
    const isSaved = await database.transaction(tx => replacePreferences(tx, id, preferences, call.ifMatch ?? 0, deps.now()))
    if (!isSaved) throw await versionMismatch(() => readRecipient(database.sql, id))
    return recipientReply(deps, id)
  },
})
