import { z } from 'zod'
import { decodeCursor, pageOf } from '../../shared/cursor.ts'
import { Id, page, pageQuery, Timestamp } from '../../shared/fields.ts'
import { idOf } from './id-of-key.ts'
import {
  LocalTime,
  peopleOperation,
  RecipientBody,
  reading,
  recipientBody,
  recipientReply,
  versionMismatch,
  Word,
  writing,
} from './people-operation.ts'
import {
  forgetRecipient,
  insertRecipient,
  listRecipients,
  type RecipientValues,
  readRecipient,
  updateRecipient,
} from './recipient-rows.ts'

const TimeZone = z
  .string()
  .max(64)
  .refine(isTimeZone, 'a time zone of the IANA database, like Europe/Zurich')
  .meta({ description: 'IANA time zone.', example: 'Europe/Zurich' })

/** Offsets are none: they do not know when clocks are changed. */
function isTimeZone(name: string): boolean {
  return /^[A-Za-z]/.test(name) && isKnown(() => new Intl.DateTimeFormat('en', { timeZone: name }))
}

export const Locale = z
  .string()
  .max(35)
  .refine(name => isKnown(() => new Intl.Locale(name)), 'a language tag, like de-CH')
  .transform(name => new Intl.Locale(name).toString())
  .meta({ description: 'BCP 47 language tag.', example: 'de-CH' })

function isKnown(make: () => unknown): boolean {
  try {
    make()
    return true
  } catch {
    return false
  }
}

const fields = {
  name: z.string().trim().min(1).max(100),
  timeZone: TimeZone.default('UTC'),
  locale: Locale.default('en'),
  roles: z.array(Word).max(20).default([]).meta({ description: 'By which routes and escalations may mean the recipient.' }),
  quietHours: z
    .strictObject({ from: LocalTime, to: LocalTime })
    .refine(({ from, to }) => from !== to, 'begin and end are the same time')
    .nullable()
    .default(null)
    .meta({ description: 'Local times between which only what is critical disturbs. The end may lie on the next day.' }),
}
const example = {
  ...{ name: 'Berta Keller', timeZone: 'Europe/Zurich', locale: 'de-CH', roles: ['buyer'] },
  quietHours: { from: '22:00', to: '07:00' },
}

type Input = z.output<z.ZodObject<typeof fields>>
const valuesOf = (id: string, input: Input, name: string): RecipientValues => ({
  ...{ id, name, timeZone: input.timeZone, locale: input.locale, roles: [...new Set(input.roles)] },
  ...{ quietFrom: input.quietHours?.from ?? null, quietTo: input.quietHours?.to ?? null },
})

export const addRecipient = peopleOperation({
  id: 'recipients-add',
  route: 'POST /v1/recipients',
  summary: 'Add a recipient',
  description: 'Somebody who can be told. With an Idempotency-Key, the same request again finds the same recipient.',
  allow: writing,
  idempotent: true,
  status: 201,
  example,
  input: z.strictObject(fields),
  output: RecipientBody,
  async handle(deps, input, call) {
    const id = idOf('recipient', call, deps.newId)
    await insertRecipient(deps.db.notifications.sql, valuesOf(id, input, await deps.seal.seal(input.name)), deps.now())
    return recipientReply(deps, id, 201)
  },
})

export const listAllRecipients = peopleOperation({
  id: 'recipients-list',
  route: 'GET /v1/recipients',
  summary: 'List recipients',
  description: 'Newest first, a page at a time, with their contacts (masked) and preferences.',
  allow: reading,
  input: z.strictObject({ role: Word.optional(), group: Word.optional(), ...pageQuery }),
  output: page(RecipientBody).meta({ id: 'RecipientPage' }),
  async handle({ db, seal }, { role, group, limit, cursor }) {
    const after = decodeCursor(cursor, z.tuple([Timestamp, Id]))
    const rows = await listRecipients(db.notifications.sql, { role, group, after, limit: limit + 1 })
    const { items, next } = pageOf(rows, limit, row => [row.createdAt.toISOString(), row.id])
    return { items: await Promise.all(items.map(row => recipientBody(row, seal))), next }
  },
})

export const readOneRecipient = peopleOperation({
  id: 'recipients-read',
  route: 'GET /v1/recipients/{id}',
  summary: 'Read a recipient',
  allow: reading,
  problems: ['not_found'],
  input: z.strictObject({ id: Id }),
  output: RecipientBody,
  handle: (deps, { id }) => recipientReply(deps, id),
})

export const changeRecipient = peopleOperation({
  id: 'recipients-change',
  route: 'PUT /v1/recipients/{id}',
  summary: 'Change a recipient',
  description: 'All of it, provided that it has not changed since it was read (If-Match). Contacts and preferences stay.',
  allow: writing,
  ifMatch: true,
  problems: ['not_found', 'version_mismatch', 'precondition_required'],
  example,
  input: z.strictObject({ id: Id, ...fields }),
  output: RecipientBody,
  async handle(deps, input, call) {
    const { sql } = deps.db.notifications
    const values = valuesOf(input.id, input, await deps.seal.seal(input.name))
    const isSaved = await updateRecipient(sql, values, call.ifMatch ?? 0, deps.now())
    if (!isSaved) throw await versionMismatch(() => readRecipient(sql, input.id))
    return recipientReply(deps, input.id)
  },
})

export const forgetOne = peopleOperation({
  id: 'recipients-forget',
  route: 'DELETE /v1/recipients/{id}',
  summary: 'Forget a recipient',
  description:
    'With contacts, preferences and memberships, at once; what still waits is cancelled. What the recipient was told stays for the auditor, without address and words: they are erased within the hour. Doing it again finds nothing: 404.',
  allow: writing,
  ifMatch: true,
  problems: ['not_found', 'version_mismatch', 'precondition_required'],
  input: z.strictObject({ id: Id }),
  output: z.object({ id: Id, forgottenAt: Timestamp }).meta({ id: 'RecipientForgotten' }),
  async handle({ db, seal, now }, { id }, call) {
    const at = now()
    const forgotten = { id, version: call.ifMatch ?? 0, replacement: await seal.seal('forgotten'), by: call.subject, now: at }
    const isDone = await db.notifications.transaction(tx => forgetRecipient(tx, forgotten))
    if (!isDone) throw await versionMismatch(() => readRecipient(db.notifications.sql, id))
    return { id, forgottenAt: at.toISOString() }
  },
})
