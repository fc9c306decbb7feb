import { z } from 'zod'
import type { Queryable, Tx } from '../../shared/data/postgres.ts'
import { Count, Timestamp } from '../../shared/fields.ts'

type Subject = 'silence' | 'escalation_policy'

/** What people did with a silence or a policy: who, when, and what it was afterwards. */
export const SettingChange = z
  .object({
    version: Count,
    action: z.enum(['created', 'changed', 'expired', 'deleted']),
    at: Timestamp,
    actor: z.string(),
    content: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'SettingChange' })
export type SettingChange = z.output<typeof SettingChange>

export const noteChange = (
  tx: Tx,
  subject: Subject,
  id: string,
  { version, action, at, actor, content }: Omit<SettingChange, 'at' | 'content'> & { at: Date; content: object },
) => tx`
  insert into setting_history (subject, id, version, action, at, actor, content)
  values (${subject}, ${id}, ${version}, ${action}, ${at}, ${actor}, ${JSON.stringify(content)}::text::jsonb)`

export async function changesOf(sql: Queryable, subject: Subject, id: string): Promise<SettingChange[]> {
  const rows = await sql<(Omit<SettingChange, 'at'> & { at: Date })[]>`
    select version, action, at, actor, content from setting_history where subject = ${subject} and id = ${id} order by version`
  return rows.map(row => ({ ...row, at: row.at.toISOString() }))
}
