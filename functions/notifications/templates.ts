import { z } from 'zod'
import { decodeCursor, pageOf } from '../../shared/cursor.ts'
import { Rejected } from '../../shared/errors.ts'
import { Count, page, pageQuery, Timestamp } from '../../shared/fields.ts'
import { entityTag } from '../../shared/function/operate.ts'
import { Reply } from '../../shared/function/operation.ts'
import { channels } from './alert-facts.ts'
import { builtInTemplate, type TemplateSource } from './built-in-templates.ts'
import { wrongField } from './contact-address.ts'
import { reading, writing } from './people-operation.ts'
import { Locale } from './recipients.ts'
import { checkTemplate, limits } from './template-engine.ts'
import {
  insertVersion,
  listVersions,
  loadTemplates,
  readVersion,
  type TemplateName,
  type TemplateVersion,
} from './template-rows.ts'
import { newestSet, templateKinds } from './template-variables.ts'
import { wordsOperation } from './words-operation.ts'

const Source = z.string().max(limits.source)
export const sourceFields = {
  subject: Source.default('').meta({ description: 'Of mails, push messages and incidents.' }),
  body: Source.min(1),
  html: Source.nullable().default(null).meta({ description: 'Of mails; what stands in an alert is escaped.' }),
}
export const nameFields = { kind: z.enum(templateKinds), channel: z.enum(channels), locale: Locale }
const Note = z.string().trim().min(1).max(200).optional().meta({ description: 'Why it was changed.' })

const TemplateBody = z
  .object({
    kind: z.enum(templateKinds),
    channel: z.enum(channels),
    locale: z.string(),
    version: Count.meta({ description: 'Its ETag. 0: nobody has saved one.' }),
    builtIn: z.boolean().meta({ description: 'The built-in one counts.' }),
    subject: z.string(),
    body: z.string(),
    html: z.string().nullable(),
    variables: Count.meta({ description: 'The set of variables that it was saved for.' }),
    note: z.string().nullable(),
    createdAt: Timestamp.nullable(),
    createdBy: z.string().nullable(),
  })
  .meta({ id: 'Template' })

function bodyOf(row: TemplateVersion): z.output<typeof TemplateBody> {
  const { kind, channel, locale, version, variables, note, createdBy } = row
  const builtIn = row.body === null
  const { subject, body, html } = builtIn
    ? builtInTemplate(kind, channel)
    : { ...row, subject: row.subject ?? '', body: row.body as string }
  return {
    kind,
    channel,
    locale,
    version,
    builtIn,
    subject,
    body,
    html,
    variables,
    note,
    createdAt: row.createdAt.toISOString(),
    createdBy,
  }
}

const neverSaved = ({ kind, channel, locale }: TemplateName): z.output<typeof TemplateBody> => ({
  ...{ kind, channel, locale, version: 0, builtIn: true, ...builtInTemplate(kind, channel) },
  ...{ variables: newestSet, note: null, createdAt: null, createdBy: null },
})

const replyOf = (body: z.output<typeof TemplateBody>) => Reply.of(200, body, { etag: entityTag(body.version) })

export const listTemplates = wordsOperation({
  id: 'templates-list',
  route: 'GET /v1/templates',
  summary: 'List saved templates',
  description: 'The newest version of each. A kind, channel and locale that is not among them has the built-in English one.',
  allow: reading,
  input: z.strictObject(pageQuery),
  output: page(TemplateBody).meta({ id: 'TemplatePage' }),
  async handle({ db }, { limit, cursor }) {
    const after = decodeCursor(cursor, z.tuple([z.string()]))?.[0] ?? ''
    const nameOf = ({ kind, channel, locale }: TemplateName) => `${kind} ${channel} ${locale}`
    const rows = (await loadTemplates(db.notifications.sql)).toSorted((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1))
    const { items, next } = pageOf(rows.filter(row => nameOf(row) > after).slice(0, limit + 1), limit, row => [nameOf(row)])
    return { items: items.map(bodyOf), next }
  },
})

export const readTemplate = wordsOperation({
  id: 'templates-read',
  route: 'GET /v1/templates/{kind}/{channel}/{locale}',
  summary: 'Read a template',
  description: 'As it counts now: the newest that was saved, else the built-in one.',
  allow: reading,
  input: z.strictObject(nameFields),
  output: TemplateBody,
  async handle({ db }, name) {
    const [newest] = await listVersions(db.notifications.sql, name, undefined, 1)
    return replyOf(newest ? bodyOf(newest) : neverSaved(name))
  },
})

export const listTemplateVersions = wordsOperation({
  id: 'templates-versions',
  route: 'GET /v1/templates/{kind}/{channel}/{locale}/versions',
  summary: 'List the versions of a template',
  description: 'Newest first: who saved what, when, and why. None is ever lost.',
  allow: reading,
  input: z.strictObject({ ...nameFields, ...pageQuery }),
  output: page(TemplateBody).meta({ id: 'TemplateVersionPage' }),
  async handle({ db }, { limit, cursor, ...name }) {
    const before = decodeCursor(cursor, z.tuple([z.coerce.number().int()]))?.[0]
    const rows = await listVersions(db.notifications.sql, name, before, limit + 1)
    const { items, next } = pageOf(rows, limit, ({ version }) => [String(version)])
    return { items: items.map(bodyOf), next }
  },
})

export const saveTemplate = wordsOperation({
  id: 'templates-save',
  route: 'PUT /v1/templates/{kind}/{channel}/{locale}',
  summary: 'Save a template',
  description:
    'A new version, provided that nobody has saved another since it was read (If-Match; `"0"` for the first). Liquid, strict: a variable that does not exist is refused by its name. It is rendered with the variables of today for ever.',
  allow: writing,
  ifMatch: true,
  problems: ['version_mismatch', 'precondition_required'],
  example: { body: '{{ alert.sku }} geht aus: noch {{ alert.available }} in {{ alert.location }}' },
  input: z.strictObject({ ...nameFields, ...sourceFields, note: Note }),
  output: TemplateBody,
  async handle({ db, now }, { kind, channel, locale, note, ...source }, call) {
    checkParts(source, channel)
    await checkTemplate(source, kind, channel, locale)
    const version = {
      ...{ kind, channel, locale, ...source, version: (call.ifMatch ?? 0) + 1, variables: newestSet, note: note ?? null },
      ...{ createdAt: now(), createdBy: call.subject },
    }
    return saved(db.notifications.sql, version)
  },
})

export const resetTemplate = wordsOperation({
  id: 'templates-reset',
  route: 'DELETE /v1/templates/{kind}/{channel}/{locale}',
  summary: 'Go back to the built-in template',
  description: 'As a new version (If-Match): the history stays.',
  allow: writing,
  ifMatch: true,
  problems: ['version_mismatch', 'precondition_required'],
  input: z.strictObject(nameFields),
  output: TemplateBody,
  handle: ({ db, now }, name, call) =>
    saved(db.notifications.sql, {
      ...{ ...name, subject: null, body: null, html: null, version: (call.ifMatch ?? 0) + 1, variables: newestSet },
      ...{ note: 'back to the built-in one', createdAt: now(), createdBy: call.subject },
    }),
})

export const restoreTemplate = wordsOperation({
  id: 'templates-restore',
  route: 'POST /v1/templates/{kind}/{channel}/{locale}/restore',
  summary: 'Roll back to an earlier version',
  description: 'As a new version (If-Match), with the words and the set of variables of the earlier one.',
  allow: writing,
  ifMatch: true,
  problems: ['not_found', 'version_mismatch', 'precondition_required'],
  example: { version: 3 },
  input: z.strictObject({ ...nameFields, version: z.int().min(1) }),
  output: TemplateBody,
  async handle({ db, now }, { version, ...name }, call) {
    const { sql } = db.notifications
    const earlier = await readVersion(sql, name, version)
    if (!earlier) throw new Rejected('not_found', `There is no version ${version}.`)
    return saved(sql, {
      ...earlier,
      ...{ version: (call.ifMatch ?? 0) + 1, note: `as version ${version}`, createdAt: now(), createdBy: call.subject },
    })
  },
})

async function saved(sql: Parameters<typeof insertVersion>[0], row: TemplateVersion) {
  if (await insertVersion(sql, row)) return replyOf(bodyOf(row))
  const [newest] = await listVersions(sql, row, undefined, 1)
  const version = newest?.version ?? 0
  throw new Rejected('version_mismatch', `The version is ${version}.`, { version })
}

/** Throws Rejected for a part that its channel has not. */
export function checkParts({ html, subject }: TemplateSource, channel: TemplateName['channel']): void {
  if (html !== null && channel !== 'email') throw wrongField('html', 'of mails alone')
  if (subject !== '' && channel === 'sms') throw wrongField('subject', 'an SMS has none')
  if (subject === '' && channel === 'email') throw wrongField('subject', 'a mail needs one')
}
