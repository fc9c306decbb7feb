import { z } from 'zod'
import type { Tx } from '../../shared/data/postgres.ts'
import { Rejected } from '../../shared/errors.ts'
import { Id, Timestamp } from '../../shared/fields.ts'
import { service } from '../../shared/function/declare.ts'
import { operation } from '../../shared/function/operation.ts'
import type { Deps } from '../../shared/function/resources.ts'
import { fingerprints } from '../../shared/security/fingerprint.ts'
import { type Seal, sealWith } from '../../shared/security/seal.ts'
import { fcmConnection, refusal } from './channels/push.ts'
import { pushSettings, SealingKeys } from './channels/settings.ts'

const uses = ['db:notifications'] as const
const config = z.object({ SEALING_KEYS: SealingKeys, ...pushSettings })
type Registering = Deps<typeof uses, z.output<typeof config>> & { readonly seal: Seal }
const deviceOperation = operation<Registering>()

const Token = z
  .string()
  .regex(/^[\w:.-]{10,4096}$/, 'expected a registration token of Firebase Cloud Messaging')
  .meta({ description: 'As the app was given it by Firebase Cloud Messaging.', example: 'dZ0qv1pRSk:APA91bHun4M' })
const Topic = z.string().regex(/^[a-zA-Z0-9-_.~%]{1,100}$/, '1 to 100 letters, digits or -_.~%')

const DeviceBody = z
  .object({
    id: Id,
    recipientId: Id,
    topics: z.array(z.string()),
    disabledReason: z.string().nullable().meta({ description: 'Why nothing is sent there any more.' }),
    updatedAt: Timestamp,
  })
  .meta({ id: 'Device' })

interface Row extends Omit<z.output<typeof DeviceBody>, 'updatedAt'> {
  readonly updatedAt: Date
}
const body = (row: Row): z.output<typeof DeviceBody> => ({ ...row, updatedAt: row.updatedAt.toISOString() })

interface Registered {
  readonly id: string
  /** What it listened to by its token before, and no longer does if that was another. */
  readonly topics: readonly string[]
  readonly isNewToken: boolean
}

const putDevice = deviceOperation({
  id: 'devices-put',
  route: 'PUT /v1/devices',
  summary: "Register a recipient's device, or its new token",
  description:
    'An app does so at each start. With `replaces`, messages that wait for the old token go to the new one. A device belongs to one recipient: the last one. Doing it again changes nothing.',
  allow: ['notifications:write'],
  problems: ['not_found'],
  example: { recipientId: '0198c0de-0000-7000-8000-000000000000', token: 'dZ0qv1pRSk:APA91bHun4M', topics: ['low-stock'] },
  input: z.strictObject({
    recipientId: Id,
    token: Token,
    replaces: Token.optional().meta({ description: 'The token that this one takes the place of.' }),
    topics: z.array(Topic).max(50).default([]).meta({ description: 'All that it is to listen to.' }),
  }),
  output: DeviceBody,
  async handle(deps, { recipientId, token, replaces, topics }) {
    const { id, topics: before, isNewToken } = await register(deps, recipientId, token, replaces)
    // Kept only once FCM has them: a repetition after a failure does the rest.
    await listen(deps, token, isNewToken ? [] : before, topics)
    const [row] = await deps.db.notifications.sql<Row[]>`
      update contact set topics = ${topics} where id = ${id}
      returning id, recipient_id as "recipientId", to_json(topics) as topics, disabled_reason as "disabledReason", updated_at as "updatedAt"`
    if (!row) throw new Rejected('not_found', 'The device was removed meanwhile.')
    return body(row)
  },
})

async function register(
  deps: Registering,
  recipientId: string,
  token: string,
  replaces: string | undefined,
): Promise<Registered> {
  const { db, seal, config, newId, now } = deps
  const at = now()
  const [print, ...older] = fingerprints(config.SEALING_KEYS, 'push', token)
  const prints = [print, ...older]
  const before = replaces === undefined ? [] : fingerprints(config.SEALING_KEYS, 'push', replaces)
  const sealed = await seal.seal(token)
  return db.notifications.transaction(async tx => {
    await touchRecipient(tx, recipientId, at)
    // Whoever was signed in on this device before is not told there any more.
    await tx`delete from contact where channel = 'push' and fingerprint = any (${prints}::text[]) and recipient_id <> ${recipientId}`
    const known = await tx<{ id: string; topics: string[]; isSame: boolean }[]>`
      select id, to_json(topics) as topics, fingerprint = any (${prints}::text[]) as "isSame" from contact
      where recipient_id = ${recipientId} and channel = 'push' and fingerprint = any (${[...prints, ...before]}::text[])
      order by fingerprint = any (${prints}::text[]) desc for update`
    const [kept, ...rest] = known
    if (rest.length > 0) await tx`delete from contact where id = any (${rest.map(({ id }) => id)}::uuid[])`
    if (!kept) {
      const id = newId()
      await tx`
        insert into contact (id, recipient_id, channel, address, fingerprint, created_at, updated_at)
        values (${id}, ${recipientId}, 'push', ${sealed}, ${print}, ${at}, ${at})`
      return { id, topics: [], isNewToken: true }
    }
    await tx`
      update contact set address = ${sealed}, fingerprint = ${print}, disabled_at = null, disabled_reason = null, updated_at = ${at}
      where id = ${kept.id}`
    return { id: kept.id, topics: kept.topics, isNewToken: !kept.isSame }
  })
}

/** Subscribes a device to what it does not listen to yet, and ends the rest. Both may be repeated. */
async function listen(
  { config }: Registering,
  token: string,
  before: readonly string[],
  wanted: readonly string[],
): Promise<void> {
  const more = wanted.filter(topic => !before.includes(topic))
  const fewer = before.filter(topic => !wanted.includes(topic))
  if (more.length + fewer.length === 0) return
  const messaging = await fcmConnection(config)()
  for (const [topics, change] of [
    [more, 'subscribeToTopic'],
    [fewer, 'unsubscribeFromTopic'],
  ] as const) {
    for (const topic of topics) {
      const { errors } = await messaging[change](token, topic)
      if (errors[0]) throw refusal(errors[0].error)
    }
  }
}

const deleteDevice = deviceOperation({
  id: 'devices-delete',
  route: 'DELETE /v1/devices/{id}',
  summary: 'Forget a device',
  description: 'At sign-out. What waits for it is not sent. Doing it again changes nothing.',
  allow: ['notifications:write'],
  input: z.strictObject({ id: Id }),
  output: z.object({ id: Id }).meta({ id: 'DeviceForgotten' }),
  async handle(deps, { id }) {
    const { db, seal, now } = deps
    const [row] = await db.notifications.sql<{ address: string; topics: string[]; recipientId: string }[]>`
      select address, to_json(topics) as topics, recipient_id as "recipientId" from contact where id = ${id} and channel = 'push'`
    if (!row) return { id }
    if (row.topics.length > 0) await listen(deps, await seal.open(row.address), row.topics, [])
    await db.notifications.transaction(async tx => {
      await touchRecipient(tx, row.recipientId, now())
      await tx`delete from contact where id = ${id}`
    })
    return { id }
  },
})

/** What is changed of a recipient's contacts changes its version, too; locked, its devices change one after another. */
async function touchRecipient(tx: Tx, id: string, now: Date): Promise<void> {
  const rows = await tx`update recipient set version = version + 1, updated_at = ${now} where id = ${id} returning 1`
  if (rows.length === 0) throw new Rejected('not_found', 'recipientId: there is no such recipient.')
}

/** A person's devices are few: no pages. */
const most = 1_000

const listDevices = deviceOperation({
  id: 'devices-list',
  route: 'GET /v1/devices',
  summary: "List a recipient's devices",
  allow: ['notifications:read'],
  input: z.strictObject({ recipientId: Id }),
  output: z.object({ items: z.array(DeviceBody) }).meta({ id: 'Devices' }),
  async handle({ db }, { recipientId }) {
    const rows = await db.notifications.sql<Row[]>`
      select id, recipient_id as "recipientId", to_json(topics) as topics, disabled_reason as "disabledReason", updated_at as "updatedAt"
      from contact where recipient_id = ${recipientId} and channel = 'push' order by updated_at desc, id limit ${most}`
    return { items: rows.map(body) }
  },
})

export const notificationDevices = service({
  name: 'notifications-devices',
  summary: 'Register the devices that are told',
  uses,
  // For the topics that a device listens to.
  providers: ['Firebase Cloud Messaging'],
  config,
  setup: deps => ({ seal: sealWith(() => deps.config.SEALING_KEYS) }),
  operations: [putDevice, deleteDevice, listDevices],
})
