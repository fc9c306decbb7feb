import { z } from 'zod'
import { idempotently } from '../../shared/data/idempotency.ts'
import type { Tx } from '../../shared/data/postgres.ts'
import { Rejected } from '../../shared/errors.ts'
import { Id, Timestamp } from '../../shared/fields.ts'
import { entityTag } from '../../shared/function/operate.ts'
import { Reply } from '../../shared/function/operation.ts'
import { columnsOf, SomeMatchers } from './matchers.ts'
import { noteChange } from './setting-history.ts'
import {
  Comment,
  checkTime,
  contentOf,
  endOf,
  Minutes,
  readSilence,
  type Silence,
  SilenceBody,
  silenceBody,
  silenceOperation,
  stateOf,
  wrongTime,
} from './silence.ts'
import { muteAtOnce } from './silence-create.ts'

export const changeSilence = silenceOperation({
  id: 'silence-change',
  route: 'PATCH /v1/silences/{id}',
  summary: 'Change or extend a silence',
  description:
    'Provided that it has not changed since it was read (If-Match). What is not given stays as it is; `minutes` count from now. What it mutes no longer is told.',
  allow: ['alerts:write'],
  idempotent: true,
  ifMatch: true,
  problems: ['not_found', 'silence_expired', 'version_mismatch', 'precondition_required'],
  example: { minutes: 240, comment: 'It takes longer.' },
  input: z
    .strictObject({
      id: Id,
      matchers: SomeMatchers.optional(),
      startsAt: Timestamp.optional().meta({ description: 'Only while it has not begun.' }),
      endsAt: Timestamp.optional(),
      minutes: Minutes.optional(),
      comment: Comment.optional(),
    })
    .refine(({ minutes, endsAt }) => minutes === undefined || endsAt === undefined, {
      path: ['minutes'],
      message: 'give either minutes or endsAt',
    }),
  output: SilenceBody,
  async handle(deps, { id, matchers, startsAt, endsAt, minutes, comment }, call) {
    const now = deps.now()
    const reply = await idempotently(deps.db.alerts, call, async tx => {
      const silence = await readSilence(tx, id, 'locked')
      if (silence.version !== call.ifMatch) {
        throw new Rejected('version_mismatch', `The version is ${silence.version}.`, { version: silence.version })
      }
      if (stateOf(silence, now) === 'expired') throw new Rejected('silence_expired')
      if (startsAt !== undefined && stateOf(silence, now) === 'active') {
        throw wrongTime('startsAt', 'it has begun already')
      }
      const start = startsAt === undefined ? silence.startsAt : new Date(startsAt)
      const from = start > now ? start : now
      const isTimed = endsAt !== undefined || minutes !== undefined
      const next: Silence = {
        ...{ ...silence, startsAt: start, endsAt: isTimed ? endOf(from, minutes, endsAt) : silence.endsAt },
        ...{ matchers: matchers ?? silence.matchers, comment: comment ?? silence.comment, version: silence.version + 1 },
      }
      checkTime(next.startsAt, next.endsAt, now)
      await save(tx, next, { action: 'changed', at: now, actor: call.subject })
      return Reply.of(200, silenceBody(next, now), { etag: entityTag(next.version) })
    })
    await muteAtOnce(deps)
    return reply
  },
})

export const expireSilence = silenceOperation({
  id: 'silence-expire',
  route: 'POST /v1/silences/{id}/expire',
  summary: 'End a silence at once',
  description: 'What stands and is not acknowledged is told. Doing it again finds it done.',
  allow: ['alerts:write'],
  idempotent: true,
  problems: ['not_found'],
  example: {},
  input: z.strictObject({ id: Id }),
  output: SilenceBody,
  async handle(deps, { id }, call) {
    const now = deps.now()
    const reply = await idempotently(deps.db.alerts, call, async tx => {
      const silence = await readSilence(tx, id, 'locked')
      if (stateOf(silence, now) === 'expired') {
        return Reply.of(200, silenceBody(silence, now), { etag: entityTag(silence.version) })
      }
      const startsAt = silence.startsAt < now ? silence.startsAt : now
      const next: Silence = { ...silence, startsAt, endsAt: now, version: silence.version + 1 }
      await save(tx, next, { action: 'expired', at: now, actor: call.subject })
      return Reply.of(200, silenceBody(next, now), { etag: entityTag(next.version) })
    })
    await muteAtOnce(deps)
    return reply
  },
})

async function save(tx: Tx, silence: Silence, by: { action: 'changed' | 'expired'; at: Date; actor: string }): Promise<void> {
  const { id, matchers, startsAt, endsAt, comment, version } = silence
  const { skus, skuPrefixes, locations, categories, severities, rules } = columnsOf(matchers)
  await tx`
    update silence set skus = ${skus}::text[], sku_prefixes = ${skuPrefixes}::text[], locations = ${locations}::text[],
      categories = ${categories}::text[], severities = ${severities}::text[], rules = ${rules}::text[], starts_at = ${startsAt},
      ends_at = ${endsAt}, comment = ${comment}, version = ${version}, applied = false
    where id = ${id}`
  await noteChange(tx, 'silence', id, { ...by, version, content: contentOf(silence) })
}
