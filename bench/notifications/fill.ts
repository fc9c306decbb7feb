import { randomUUID } from 'node:crypto'
import type postgres from 'postgres'
import { newId } from '../../shared/ids.ts'
import { type Seal, sealWith } from '../../shared/security/seal.ts'

export interface Recipient {
  readonly id: string
  readonly contactId: string
  readonly address: string
}

/** Somebody with a telephone. */
export async function makeRecipient(sql: postgres.Sql, sealingKeys: string): Promise<Recipient> {
  const seal: Seal = sealWith(() => sealingKeys)
  const [id, contactId, address] = [newId(), newId(), await seal.seal('+447700900123')]
  await sql`insert into recipient (id, name, created_at, updated_at) values (${id}, 'Bench', now(), now())`
  await sql`
    insert into contact (id, recipient_id, channel, address, fingerprint, created_at, updated_at)
    values (${contactId}, ${id}, 'sms', ${address}, 'bench', now(), now())`
  return { id, contactId, address }
}

/** Messages with their events, as notifications-plan writes them: one transaction. */
export async function fillMessages(sql: postgres.Sql, count: number, { id, contactId, address }: Recipient): Promise<string[]> {
  const ids = Array.from({ length: count }, newId)
  await sql.begin(async tx => {
    await tx`
      insert into notification (id, alert_id, channel, recipient, subject, state, attempts, traceparent, created_at, updated_at, dedup_key,
        kind, priority, severity, recipient_id, contact_id, body, payload)
      select m::uuid, m::uuid, 'sms', ${address}, '85123A is low at main', 'queued', 0, '', clock_timestamp(), clock_timestamp(), m,
        'alert', 'normal', 'low', ${id}, ${contactId}, '85123A is low at main: 3 left. Reorder it.', '{}'
      from unnest(${ids}::text[]) as m`
    await tx`
      insert into outbox (event_id, type, key, data)
      select e::uuid, 'tidemark.notification.queued.v1', m,
        json_build_object('notificationId', m, 'channel', 'sms', 'attempt', 1)::text
      from unnest(${ids.map(() => randomUUID())}::text[], ${ids}::text[]) as x (e, m)`
  })
  return ids
}
