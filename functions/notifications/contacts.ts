import { z } from 'zod'
import { Rejected } from '../../shared/errors.ts'
import { Id, Timestamp } from '../../shared/fields.ts'
import { Reply } from '../../shared/function/operation.ts'
import { fingerprints } from '../../shared/security/fingerprint.ts'
import { newWebhookSecret, readSecrets, rotated } from './channels/webhook-signature.ts'
import { checkedAddress, enteredChannels, shownAddress } from './contact-address.ts'
import { ContactBody, peopleOperation, writing } from './people-operation.ts'
import { readRecipient } from './recipient-rows.ts'

/** Hours for which the secret before signs too, so that a receiver can change over. */
const overlap = 24

const NewContact = ContactBody.extend({
  secret: z.string().nullable().meta({
    description: 'Of a new webhook: what its signatures are made with (Standard Webhooks). Shown once; null otherwise.',
  }),
}).meta({ id: 'NewContact' })

export const addContact = peopleOperation({
  id: 'contacts-add',
  route: 'POST /v1/recipients/{id}/contacts',
  summary: 'Add a way to reach a recipient',
  description:
    'A mailbox, a telephone (E.164), an integration of PagerDuty (Events API v2), or the https URL of a webhook. Doing it again answers 200 with the contact that is there. Devices register themselves.',
  allow: writing,
  status: 201,
  also: { 200: 'It is there already.' },
  problems: ['not_found'],
  example: { channel: 'email', address: 'berta@example.com' },
  input: z.strictObject({ id: Id, channel: z.enum(enteredChannels), address: z.string().min(1).max(2_000) }),
  output: NewContact,
  async handle({ db, seal, newId, now, config }, { id, channel, address: given }) {
    const { sql } = db.notifications
    const address = checkedAddress(channel, given, config.WEBHOOK_PRIVATE)
    const marks = fingerprints(config.SEALING_KEYS, channel, address)
    if (!(await readRecipient(sql, id))) throw new Rejected('not_found', `There is no recipient ${id}.`)
    const secret = channel === 'webhook' ? newWebhookSecret() : null
    const secrets = secret && (await seal.seal(JSON.stringify([{ secret }])))
    const contactId = newId()
    // Under an older sealing key the same address has another fingerprint.
    const rows = await sql`
      insert into contact (id, recipient_id, channel, address, fingerprint, secrets, created_at, updated_at)
      select ${contactId}::uuid, ${id}::uuid, ${channel}, ${await seal.seal(address)}, ${marks[0]}, ${secrets}, ${now()}, ${now()}
      where not exists (
        select 1 from contact where recipient_id = ${id} and channel = ${channel} and fingerprint = any (${marks}::text[]))
      on conflict (recipient_id, channel, fingerprint) do nothing returning 1`
    const [contact] = await sql<{ id: string; disabledAt: Date | null; disabledReason: string | null; createdAt: Date }[]>`
      select id, disabled_at as "disabledAt", disabled_reason as "disabledReason", created_at as "createdAt"
      from contact where recipient_id = ${id} and channel = ${channel} and fingerprint = any (${marks}::text[])`
    if (!contact) throw new Rejected('not_found', `There is no recipient ${id}.`)
    const isNew = rows.length > 0
    return Reply.of(isNew ? 201 : 200, {
      ...{ id: contact.id, channel, address: shownAddress(channel, address), secret: isNew ? secret : null },
      ...{ disabledAt: contact.disabledAt?.toISOString() ?? null, disabledReason: contact.disabledReason },
      createdAt: contact.createdAt.toISOString(),
    })
  },
})

const Named = z.strictObject({ id: Id, contactId: Id })
const Done = z.object({ id: Id })

export const removeContact = peopleOperation({
  id: 'contacts-remove',
  route: 'DELETE /v1/recipients/{id}/contacts/{contactId}',
  summary: 'Remove a contact',
  description: 'Doing it again finds nothing: 404.',
  allow: writing,
  problems: ['not_found'],
  input: Named,
  output: Done.meta({ id: 'ContactRemoved' }),
  async handle({ db }, { id, contactId }) {
    const rows = await db.notifications.sql`delete from contact where id = ${contactId} and recipient_id = ${id} returning 1`
    if (rows.length === 0) throw new Rejected('not_found', 'The recipient has no such contact.')
    return { id: contactId }
  },
})

export const enableContact = peopleOperation({
  id: 'contacts-enable',
  route: 'POST /v1/recipients/{id}/contacts/{contactId}/enable',
  summary: 'Use a contact again that was disabled',
  description:
    'After the mailbox that bounced was put right, or the owner has taken a complaint back. Doing it again changes nothing.',
  allow: writing,
  problems: ['not_found'],
  example: {},
  input: Named,
  output: Done.meta({ id: 'ContactEnabled' }),
  async handle({ db, now }, { id, contactId }) {
    const rows = await db.notifications.sql`
      update contact set disabled_at = null, disabled_reason = null, updated_at = ${now()}
      where id = ${contactId} and recipient_id = ${id} returning 1`
    if (rows.length === 0) throw new Rejected('not_found', 'The recipient has no such contact.')
    return { id: contactId }
  },
})

export const rotateSecret = peopleOperation({
  id: 'contacts-rotate-secret',
  route: 'POST /v1/recipients/{id}/contacts/{contactId}/rotate-secret',
  summary: "Rotate a webhook's secret",
  description: `Shown once. Messages are signed with both for ${overlap} hours, then with the new one alone. Doing it again makes another new one.`,
  allow: writing,
  problems: ['not_found'],
  example: {},
  input: Named,
  output: z.object({ id: Id, secret: z.string(), previousValidUntil: Timestamp }).meta({ id: 'RotatedSecret' }),
  async handle({ db, seal, now }, { id, contactId }) {
    const secret = newWebhookSecret()
    const until = new Date(now().getTime() + overlap * 3_600_000)
    await db.notifications.transaction(async tx => {
      const [contact] = await tx<{ secrets: string | null }[]>`
        select secrets from contact where id = ${contactId} and recipient_id = ${id} and channel = 'webhook' for update`
      if (!contact) throw new Rejected('not_found', 'The recipient has no such webhook.')
      const kept = contact.secrets === null ? [] : readSecrets(await seal.open(contact.secrets))
      const sealed = await seal.seal(JSON.stringify(rotated(kept, secret, until)))
      await tx`update contact set secrets = ${sealed}, updated_at = ${now()} where id = ${contactId}`
    })
    return { id: contactId, secret, previousValidUntil: until.toISOString() }
  },
})
