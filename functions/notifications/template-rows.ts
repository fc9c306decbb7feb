import type { Queryable } from '../../shared/data/postgres.ts'
import type { Channel } from './alert-facts.ts'
import type { TemplateKind } from './template-variables.ts'

export interface TemplateName {
  readonly kind: TemplateKind
  readonly channel: Channel
  readonly locale: string
}

export interface TemplateVersion extends TemplateName {
  readonly version: number
  /** Null in all three: from this version on the built-in one counts. */
  readonly subject: string | null
  readonly body: string | null
  readonly html: string | null
  /** The set of variables that it was saved for. */
  readonly variables: number
  readonly note: string | null
  readonly createdAt: Date
  readonly createdBy: string
}

const versionColumns = (sql: Queryable) => sql`
  kind, channel, locale, version, subject, body, html, variables, note, created_at as "createdAt", created_by as "createdBy"`

/** The newest version of each template, in the order of their names. */
export const loadTemplates = (sql: Queryable): PromiseLike<TemplateVersion[]> => sql<TemplateVersion[]>`
  select distinct on (kind, channel, locale) ${versionColumns(sql)} from template_version order by kind, channel, locale, version desc`

export const listVersions = (
  sql: Queryable,
  { kind, channel, locale }: TemplateName,
  before: number | undefined,
  limit: number,
): PromiseLike<TemplateVersion[]> => sql<TemplateVersion[]>`
  select ${versionColumns(sql)} from template_version
  where kind = ${kind} and channel = ${channel} and locale = ${locale} and (${before ?? null}::int is null or version < ${before ?? null})
  order by version desc limit ${limit}`

export async function readVersion(
  sql: Queryable,
  { kind, channel, locale }: TemplateName,
  version: number,
): Promise<TemplateVersion | undefined> {
  const [row] = await sql<TemplateVersion[]>`
    select ${versionColumns(sql)} from template_version
    where kind = ${kind} and channel = ${channel} and locale = ${locale} and version = ${version}`
  return row
}

/** False when another version was saved meanwhile. */
export async function insertVersion(sql: Queryable, row: TemplateVersion): Promise<boolean> {
  const rows = await sql`
    insert into template_version (kind, channel, locale, version, subject, body, html, variables, note, created_at, created_by)
    select ${row.kind}, ${row.channel}, ${row.locale}, ${row.version}, ${row.subject}, ${row.body}, ${row.html}, ${row.variables},
      ${row.note}, ${row.createdAt}, ${row.createdBy}
    where ${row.version} = 1 + coalesce((
      select max(version) from template_version where kind = ${row.kind} and channel = ${row.channel} and locale = ${row.locale}), 0)
    on conflict do nothing
    returning 1`
  return rows.length > 0
}
