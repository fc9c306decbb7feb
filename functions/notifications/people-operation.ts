import { z } from 'zod'
import { Rejected } from '../../shared/errors.ts'
import { Count, Id, Timestamp } from '../../shared/fields.ts'
import { entityTag } from '../../shared/function/operate.ts'
import { operation, Reply } from '../../shared/function/operation.ts'
import type { Deps } from '../../shared/function/resources.ts'
import type { Seal } from '../../shared/security/seal.ts'
import { channels, severities } from './alert-facts.ts'
import { shownAddress } from './contact-address.ts'
import { type RecipientRow, readRecipient } from './recipient-rows.ts'

export const peopleUses = ['db:notifications'] as const
export type People = Deps<typeof peopleUses, { readonly SEALING_KEYS: string; readonly WEBHOOK_PRIVATE: boolean }> & {
  readonly seal: Seal
}
export const peopleOperation = operation<People>()

export const reading = ['recipients:read', 'recipients:write'] as const
export const writing = ['recipients:write'] as const

export const LocalTime = z
  .string()
  .regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'a time of day, like 07:30')
  .meta({ example: '07:30' })

export const Word = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, '1 to 64 lower-case letters, digits, hyphens or underscores')
  .meta({ example: 'buyer' })

export const PreferenceBody = z
  .strictObject({
    channel: z.enum(channels),
    minimumSeverity: z.enum(severities).default('low').meta({ description: 'What is less is not told by this channel.' }),
    digestAt: LocalTime.nullable()
      .default(null)
      .meta({ description: 'Local time at which what is not urgent comes as one message; null: each as it comes.' }),
    optedOut: z.boolean().default(false).meta({ description: 'Nothing at all is told by this channel.' }),
  })
  .meta({ id: 'RecipientPreference' })

export const ContactBody = z
  .object({
    id: Id,
    channel: z.enum(channels),
    address: z.string().meta({ description: 'Masked.', example: 'b•••@example.com' }),
    disabledAt: Timestamp.nullable(),
    disabledReason: z.string().nullable().meta({ description: 'A hard bounce, a complaint, a device that is gone.' }),
    createdAt: Timestamp,
  })
  .meta({ id: 'Contact' })

export const RecipientBody = z
  .object({
    id: Id,
    name: z.string(),
    timeZone: z.string(),
    locale: z.string(),
    roles: z.array(z.string()),
    groups: z.array(z.string()),
    quietHours: z.object({ from: z.string(), to: z.string() }).nullable(),
    preferences: z.array(PreferenceBody).meta({ description: 'Channels without one have the standard.' }),
    contacts: z.array(ContactBody),
    version: Count.meta({ description: 'Counts the changes of the recipient and its preferences; its ETag.' }),
    createdAt: Timestamp,
    updatedAt: Timestamp,
  })
  .meta({ id: 'Recipient' })

export async function recipientBody(row: RecipientRow, seal: Seal): Promise<z.output<typeof RecipientBody>> {
  const { quietFrom: from, quietTo: to } = row
  const contacts = row.contacts.map(async contact => ({
    id: contact.id,
    channel: contact.channel,
    address: shownAddress(contact.channel, await seal.open(contact.address)),
    disabledAt: contact.disabledAt && new Date(contact.disabledAt).toISOString(),
    disabledReason: contact.disabledReason,
    createdAt: new Date(contact.createdAt).toISOString(),
  }))
  return {
    ...{ id: row.id, name: await seal.open(row.name), timeZone: row.timeZone, locale: row.locale },
    ...{ roles: [...row.roles], groups: [...row.groups], quietHours: from !== null && to !== null ? { from, to } : null },
    ...{ preferences: [...row.preferences], contacts: await Promise.all(contacts), version: row.version },
    ...{ createdAt: row.createdAt.toISOString(), updatedAt: row.updatedAt.toISOString() },
  }
}

/** The recipient as it is now, with its version. Throws Rejected when there is none. */
export async function recipientReply({ db, seal }: Pick<People, 'db' | 'seal'>, id: string, status = 200) {
  const row = await readRecipient(db.notifications.sql, id)
  if (!row) throw new Rejected('not_found', `There is no recipient ${id}.`)
  return Reply.of(status, await recipientBody(row, seal), { etag: entityTag(row.version), location: `/v1/recipients/${id}` })
}

/** Why a write that names a version did nothing. */
export async function versionMismatch(read: () => Promise<{ readonly version: number } | undefined>): Promise<Rejected> {
  const found = await read()
  if (!found) return new Rejected('not_found')
  return new Rejected('version_mismatch', `The version is ${found.version}.`, { version: found.version })
}
