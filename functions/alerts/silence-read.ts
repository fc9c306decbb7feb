import { z } from 'zod'
import { decodeCursor, pageOf } from '../../shared/cursor.ts'
import type { Queryable } from '../../shared/data/postgres.ts'
import { Count, Id, page, pageQuery, Timestamp } from '../../shared/fields.ts'
import { entityTag } from '../../shared/function/operate.ts'
import { Reply } from '../../shared/function/operation.ts'
import { type Alert, AlertBody, alertBody } from './alert.ts'
import { alertColumns } from './alert-rows.ts'
import { changesOf, SettingChange } from './setting-history.ts'
import {
  readSilence,
  type Silence,
  SilenceBody,
  silenceBody,
  silenceColumns,
  silenceOperation,
  silenceStates,
} from './silence.ts'

const allow = ['alerts:read', 'alerts:write'] as const

export const listSilences = silenceOperation({
  id: 'silence-list',
  route: 'GET /v1/silences',
  summary: 'List silences',
  description: 'Those that end last first, a page at a time.',
  allow,
  input: z.strictObject({ state: z.enum(silenceStates).optional(), ...pageQuery }),
  output: page(SilenceBody).meta({ id: 'SilencePage' }),
  async handle({ db, now: clock }, { state, limit, cursor }) {
    const { sql } = db.alerts
    const now = clock()
    const [endsAt = null, id = null] = decodeCursor(cursor, z.tuple([Timestamp, Id])) ?? []
    const isIn = {
      pending: sql`m.starts_at > ${now} and m.ends_at > ${now}`,
      active: sql`m.starts_at <= ${now} and m.ends_at > ${now}`,
      expired: sql`m.ends_at <= ${now}`,
    }
    const rows = await sql<Silence[]>`
      select ${silenceColumns(sql)} from silence m
      where ${state ? isIn[state] : sql`true`}
        and (${endsAt}::timestamptz is null or (m.ends_at, m.id) < (${endsAt}::timestamptz, ${id}::uuid))
      order by m.ends_at desc, m.id desc limit ${limit + 1}`
    const { items, next } = pageOf(rows, limit, silence => [silence.endsAt.toISOString(), silence.id])
    return { items: items.map(silence => silenceBody(silence, now)), next }
  },
})

/** Alerts that are shown with a silence; `GET /v1/alerts?muted=silence:<id>` pages through all. */
const shown = 100

export const readOneSilence = silenceOperation({
  id: 'silence-read',
  route: 'GET /v1/silences/{id}',
  summary: 'Read a silence',
  description: `With what it mutes now (the first ${shown}, and how many), and who did what with it.`,
  allow,
  problems: ['not_found'],
  input: z.strictObject({ id: Id }),
  output: SilenceBody.extend({
    mutes: z.object({ count: Count, alerts: z.array(AlertBody) }),
    history: z.array(SettingChange),
  }).meta({ id: 'SilenceWithAlerts' }),
  async handle({ db, now }, { id }) {
    const { sql } = db.alerts
    const [silence, history, mutes] = await Promise.all([
      readSilence(sql, id),
      changesOf(sql, 'silence', id),
      mutedNow(sql, `silence:${id}`),
    ])
    return Reply.of(200, { ...silenceBody(silence, now()), mutes, history }, { etag: entityTag(silence.version) })
  },
})

async function mutedNow(sql: Queryable, cause: string) {
  const rows = await sql<(Alert & { all: number })[]>`
    select ${alertColumns(sql)}, count(*) over () as "all" from alert
    where muted = ${cause} and state <> 'resolved' order by id desc limit ${shown}`
  return { count: rows[0]?.all ?? 0, alerts: rows.map(alertBody) }
}
