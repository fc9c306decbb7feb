import { z } from 'zod'
import { idempotently } from '../../shared/data/idempotency.ts'
import type { Tx } from '../../shared/data/postgres.ts'
import { Timestamp } from '../../shared/fields.ts'
import { entityTag } from '../../shared/function/operate.ts'
import { Reply } from '../../shared/function/operation.ts'
import { columnsOf, SomeMatchers } from './matchers.ts'
import { reviewMutes } from './mute-review.ts'
import { noteChange } from './setting-history.ts'
import {
  Comment,
  checkTime,
  contentOf,
  endOf,
  Minutes,
  type Silence,
  SilenceBody,
  type Silencing,
  silenceBody,
  silenceOperation,
} from './silence.ts'

export const createSilence = silenceOperation({
  id: 'silence-create',
  route: 'POST /v1/silences',
  summary: 'Silence alerts',
  description:
    'Until it ends, alerts that match are raised and can be seen, but nobody is told and nothing is escalated. What stands then, and nobody has acknowledged, is told.',
  allow: ['alerts:write'],
  idempotent: true,
  status: 201,
  example: { matchers: { sku: ['851*'], location: ['main'] }, minutes: 120, comment: 'The shelf is being moved.' },
  input: z
    .strictObject({
      matchers: SomeMatchers,
      startsAt: Timestamp.optional().meta({ description: 'Now when absent; may lie in the future.' }),
      endsAt: Timestamp.optional(),
      minutes: Minutes.optional(),
      comment: Comment,
    })
    .refine(({ minutes, endsAt }) => (minutes === undefined) !== (endsAt === undefined), {
      path: ['minutes'],
      message: 'give either minutes or endsAt',
    }),
  output: SilenceBody,
  async handle(deps, { matchers, startsAt, endsAt, minutes, comment }, call) {
    const now = deps.now()
    const start = startsAt === undefined ? now : new Date(startsAt)
    const silence: Silence = {
      ...{ id: deps.newId(), matchers, startsAt: start, endsAt: endOf(start, minutes, endsAt), comment },
      ...{ createdBy: call.subject, createdAt: now, version: 1 },
    }
    checkTime(silence.startsAt, silence.endsAt, now)
    const reply = await idempotently(deps.db.alerts, call, async tx => {
      await insertSilence(tx, silence)
      await noteChange(tx, 'silence', silence.id, {
        ...{ version: 1, action: 'created', at: now, actor: call.subject, content: contentOf(silence) },
      })
      return Reply.of(201, silenceBody(silence, now), { etag: entityTag(1) })
    })
    await muteAtOnce(deps)
    return reply
  },
})

const insertSilence = (tx: Tx, { id, matchers, startsAt, endsAt, comment, createdBy, createdAt }: Silence) => {
  const { skus, skuPrefixes, locations, categories, severities, rules } = columnsOf(matchers)
  return tx`
    insert into silence (id, skus, sku_prefixes, locations, categories, severities, rules, starts_at, ends_at, comment, created_by, created_at)
    values (${id}, ${skus}::text[], ${skuPrefixes}::text[], ${locations}::text[], ${categories}::text[], ${severities}::text[],
      ${rules}::text[], ${startsAt}, ${endsAt}, ${comment}, ${createdBy}, ${createdAt})`
}

/** Milliseconds that who changes a silence waits for its effect. */
const patience = 2_000

/** The effect on what stands, as far as it is quick: `alerts-due` does the rest within a minute, and all of it where this fails. */
export const muteAtOnce = ({ db, newId, now, log }: Silencing): Promise<void> =>
  reviewMutes(db.alerts, { newId, now, until: Date.now() + patience }).catch(error =>
    log.warn({ cause: (error as Error).message }, 'the alerts that stand are muted with the next round'),
  )
