import { z } from 'zod'
import { decodeCursor, pageOf } from '../../shared/cursor.ts'
import type { Queryable } from '../../shared/data/postgres.ts'
import { Rejected } from '../../shared/errors.ts'
import { Count, Id, page, pageQuery, Timestamp } from '../../shared/fields.ts'
import { entityTag } from '../../shared/function/operate.ts'
import { Reply } from '../../shared/function/operation.ts'
import { wrongField } from './contact-address.ts'
import { peopleOperation, reading, versionMismatch, Word, writing } from './people-operation.ts'

const GroupBody = z
  .object({ name: z.string(), members: z.array(Id), version: Count, createdAt: Timestamp, updatedAt: Timestamp })
  .meta({ id: 'RecipientGroup' })

interface Row extends Omit<z.output<typeof GroupBody>, 'createdAt' | 'updatedAt'> {
  createdAt: Date
  updatedAt: Date
}

const groupColumns = (sql: Queryable) => sql`
  g.name, g.version, g.created_at as "createdAt", g.updated_at as "updatedAt",
  coalesce((select json_agg(recipient_id order by recipient_id) from recipient_group_member m where m.group_name = g.name), '[]') as members`

async function readRow(sql: Queryable, name: string): Promise<Row | undefined> {
  const [row] = await sql<Row[]>`select ${groupColumns(sql)} from recipient_group g where name = ${name}`
  return row
}

const bodyOf = (row: Row): z.output<typeof GroupBody> => ({
  ...row,
  createdAt: row.createdAt.toISOString(),
  updatedAt: row.updatedAt.toISOString(),
})

const replyOf = (row: Row) => Reply.of(200, bodyOf(row), { etag: entityTag(row.version) })

export const listGroups = peopleOperation({
  id: 'recipient-groups-list',
  route: 'GET /v1/recipient-groups',
  summary: 'List groups of recipients',
  allow: reading,
  input: z.strictObject(pageQuery),
  output: page(GroupBody).meta({ id: 'RecipientGroupPage' }),
  async handle({ db }, { limit, cursor }) {
    const [after = null] = decodeCursor(cursor, z.tuple([Word])) ?? []
    const { sql } = db.notifications
    const rows = await sql<Row[]>`
      select ${groupColumns(sql)} from recipient_group g
      where ${after}::text is null or name > ${after} order by name limit ${limit + 1}`
    return pageOf(rows.map(bodyOf), limit, ({ name }) => [name])
  },
})

export const readGroup = peopleOperation({
  id: 'recipient-groups-read',
  route: 'GET /v1/recipient-groups/{name}',
  summary: 'Read a group of recipients',
  allow: reading,
  problems: ['not_found'],
  input: z.strictObject({ name: Word }),
  output: GroupBody,
  async handle({ db }, { name }) {
    const row = await readRow(db.notifications.sql, name)
    if (!row) throw new Rejected('not_found', `There is no group ${name}.`)
    return replyOf(row)
  },
})

export const setGroup = peopleOperation({
  id: 'recipient-groups-set',
  route: 'PUT /v1/recipient-groups/{name}',
  summary: 'Set the members of a group',
  description: 'Provided that it has not changed since it was read (If-Match); `"0"` for a new one.',
  allow: writing,
  ifMatch: true,
  problems: ['version_mismatch', 'precondition_required'],
  example: { members: [] },
  input: z.strictObject({ name: Word, members: z.array(Id).max(1_000) }),
  output: GroupBody,
  handle: ({ db, now }, { name, members }, call) =>
    db.notifications.transaction(async tx => {
      const version = call.ifMatch ?? 0
      const rows =
        version === 0
          ? await tx`
              insert into recipient_group (name, created_at, updated_at) values (${name}, ${now()}, ${now()})
              on conflict do nothing returning 1`
          : await tx`
              update recipient_group set version = version + 1, updated_at = ${now()}
              where name = ${name} and version = ${version} returning 1`
      if (rows.length === 0) {
        const found = (await readRow(tx, name))?.version ?? 0
        throw new Rejected('version_mismatch', `The version is ${found}.`, { version: found })
      }
      const known = await tx<{ id: string }[]>`select id from recipient where id = any (${members}::uuid[]) for key share`
      const ids = new Set(known.map(({ id }) => id))
      const unknown = members.findIndex(id => !ids.has(id.toLowerCase()))
      if (unknown >= 0) throw wrongField(`members[${unknown}]`, 'there is no such recipient')
      await tx`delete from recipient_group_member where group_name = ${name}`
      await tx`
        insert into recipient_group_member (group_name, recipient_id)
        select ${name}, id from unnest(${[...ids]}::uuid[]) as member (id)`
      return replyOf((await readRow(tx, name)) as Row)
    }),
})

export const deleteGroup = peopleOperation({
  id: 'recipient-groups-delete',
  route: 'DELETE /v1/recipient-groups/{name}',
  summary: 'Delete a group',
  description: 'Its members stay. A route that leads to nobody else leads to NOTIFY_TO.',
  allow: writing,
  ifMatch: true,
  problems: ['not_found', 'version_mismatch', 'precondition_required'],
  input: z.strictObject({ name: Word }),
  output: z.object({ name: z.string() }).meta({ id: 'RecipientGroupDeleted' }),
  async handle({ db }, { name }, call) {
    const { sql } = db.notifications
    const rows = await sql`delete from recipient_group where name = ${name} and version = ${call.ifMatch ?? 0} returning 1`
    if (rows.length === 0) throw await versionMismatch(() => readRow(sql, name))
    return { name }
  },
})
