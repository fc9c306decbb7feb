import { z } from 'zod'
import { decodeCursor, pageOf } from '../../shared/cursor.ts'
import { Rejected } from '../../shared/errors.ts'
import { Count, Id, Location, page, pageQuery, Timestamp } from '../../shared/fields.ts'
import { entityTag } from '../../shared/function/operate.ts'
import { Reply } from '../../shared/function/operation.ts'
import { channels, severities } from './alert-facts.ts'
import { idOf } from './id-of-key.ts'
import { reading, versionMismatch, Word, writing } from './people-operation.ts'
import { deleteRoute, insertRoute, listRoutes, type RouteRow, type RouteValues, readRoute, updateRoute } from './route-rows.ts'
import { groupingLabels, standardPace, standardTellRecovery } from './routing.ts'
import { wordsOperation } from './words-operation.ts'

const Some = <T extends z.ZodType>(item: T) => z.array(item).min(1).max(100).optional()
const Seconds = z.int().min(0).max(86_400)
const Channels = z.array(z.enum(channels)).max(5)

const Matcher = z
  .strictObject({
    minimumSeverity: z.enum(severities).optional(),
    locations: Some(Location),
    categories: Some(z.string().trim().min(1).max(100)),
    skuPrefixes: Some(z.string().trim().toUpperCase().min(1).max(64)),
    rules: Some(z.string().trim().min(1).max(50)).meta({ description: 'absolute, percentage, days_of_cover or forecast.' }),
  })
  .meta({ id: 'RouteMatcher', description: 'Every part that is given must fit, each by one of its values.' })

const Receiver = z
  .union([z.strictObject({ recipient: Id }), z.strictObject({ group: Word }), z.strictObject({ role: Word })])
  .meta({ id: 'RouteReceiver' })

const fields = {
  name: z.string().trim().min(1).max(100),
  position: z.int().min(0).max(1_000_000).default(100).meta({ description: 'The lower, the earlier it is asked.' }),
  matcher: Matcher.default({}),
  receivers: z.array(Receiver).min(1).max(100),
  channels: Channels.default([]).meta({ description: "By which they are told; empty: by each recipient's preferences." }),
  groupBy: z.array(z.enum(groupingLabels)).max(5).default(['location', 'severity']).meta({
    description: 'Alerts that have these in common make one message. What is urgent is never grouped with what is not.',
  }),
  groupWait: Seconds.default(standardPace.groupWait).meta({ description: 'Seconds that the first of a group waits for others.' }),
  groupInterval: Seconds.default(standardPace.groupInterval).meta({ description: 'Seconds between two messages of a group.' }),
  urgentGroupWait: Seconds.default(standardPace.urgentGroupWait).meta({ description: 'Of what is critical or out of stock.' }),
  urgentGroupInterval: Seconds.default(standardPace.urgentGroupInterval),
  repeatInterval: z.int().min(60).max(2_678_400).nullable().default(null).meta({
    description: 'Seconds after which what still stands, and nobody has acknowledged, is told again; null: never.',
  }),
  tellRecovery: Channels.default([...standardTellRecovery]).meta({ description: 'Channels that are told of the end, too.' }),
  continues: z.boolean().default(false).meta({ description: 'Whether the routes after it are asked, too.' }),
  enabled: z.boolean().default(true),
}

const RouteBody = z
  .object({
    id: Id,
    ...fields,
    receivers: z.array(Receiver),
    version: Count.meta({ description: 'Counts its changes; its ETag.' }),
    createdAt: Timestamp,
    updatedAt: Timestamp,
    updatedBy: z.string(),
  })
  .meta({ id: 'NotificationRoute' })

const example = {
  name: 'Zurich, at night',
  matcher: { minimumSeverity: 'critical', locations: ['zurich'] },
  receivers: [{ group: 'night' }],
  channels: ['push', 'sms'],
  repeatInterval: 1800,
}

const bodyOf = (row: RouteRow): z.output<typeof RouteBody> => ({
  ...row,
  ...{
    receivers: [...row.receivers],
    channels: [...row.channels],
    groupBy: [...row.groupBy],
    tellRecovery: [...row.tellRecovery],
  },
  matcher: row.matcher as z.output<typeof Matcher>,
  ...{ createdAt: row.createdAt.toISOString(), updatedAt: row.updatedAt.toISOString() },
})

const replyOf = (row: RouteRow, status = 200) =>
  Reply.of(status, bodyOf(row), { etag: entityTag(row.version), location: `/v1/notifications/routes/${row.id}` })

const valuesOf = (id: string, input: z.output<z.ZodObject<typeof fields>>, updatedBy: string): RouteValues => ({
  ...input,
  ...{ id, updatedBy },
})

export const addRoute = wordsOperation({
  id: 'notification-routes-add',
  route: 'POST /v1/notifications/routes',
  summary: 'Add a route',
  description:
    'The first route that matches an alert says who is told. With an Idempotency-Key, the same request again finds the same route.',
  allow: writing,
  idempotent: true,
  status: 201,
  example,
  input: z.strictObject(fields),
  output: RouteBody,
  async handle({ db, newId, now }, input, call) {
    return replyOf(await insertRoute(db.notifications.sql, valuesOf(idOf('route', call, newId), input, call.subject), now()), 201)
  },
})

export const listAllRoutes = wordsOperation({
  id: 'notification-routes-list',
  route: 'GET /v1/notifications/routes',
  summary: 'List routes',
  description: 'In the order in which they are asked. What none of them takes is told to NOTIFY_TO by e-mail.',
  allow: reading,
  input: z.strictObject(pageQuery),
  output: page(RouteBody).meta({ id: 'NotificationRoutePage' }),
  async handle({ db }, { limit, cursor }) {
    const after = decodeCursor(cursor, z.tuple([z.coerce.number().int(), Id]))
    const rows = await listRoutes(db.notifications.sql, after, limit + 1)
    const { items, next } = pageOf(rows, limit, ({ position, id }) => [String(position), id])
    return { items: items.map(bodyOf), next }
  },
})

export const readOneRoute = wordsOperation({
  id: 'notification-routes-read',
  route: 'GET /v1/notifications/routes/{id}',
  summary: 'Read a route',
  allow: reading,
  problems: ['not_found'],
  input: z.strictObject({ id: Id }),
  output: RouteBody,
  async handle({ db }, { id }) {
    const row = await readRoute(db.notifications.sql, id)
    if (!row) throw new Rejected('not_found', `There is no route ${id}.`)
    return replyOf(row)
  },
})

export const changeRoute = wordsOperation({
  id: 'notification-routes-change',
  route: 'PUT /v1/notifications/routes/{id}',
  summary: 'Change a route',
  description: 'All of it, provided that it has not changed since it was read (If-Match).',
  allow: writing,
  ifMatch: true,
  problems: ['not_found', 'version_mismatch', 'precondition_required'],
  example,
  input: z.strictObject({ id: Id, ...fields }),
  output: RouteBody,
  async handle({ db, now }, { id, ...input }, call) {
    const { sql } = db.notifications
    const saved = await updateRoute(sql, valuesOf(id, input, call.subject), call.ifMatch ?? 0, now())
    if (!saved) throw await versionMismatch(() => readRoute(sql, id))
    return replyOf(saved)
  },
})

export const removeRoute = wordsOperation({
  id: 'notification-routes-delete',
  route: 'DELETE /v1/notifications/routes/{id}',
  summary: 'Delete a route',
  description: 'Provided that it has not changed since it was read (If-Match). What waits in its groups goes to NOTIFY_TO.',
  allow: writing,
  ifMatch: true,
  problems: ['not_found', 'version_mismatch', 'precondition_required'],
  input: z.strictObject({ id: Id }),
  output: z.object({ id: Id }).meta({ id: 'NotificationRouteDeleted' }),
  async handle({ db }, { id }, call) {
    const { sql } = db.notifications
    if (!(await deleteRoute(sql, id, call.ifMatch ?? 0))) throw await versionMismatch(() => readRoute(sql, id))
    return { id }
  },
})
