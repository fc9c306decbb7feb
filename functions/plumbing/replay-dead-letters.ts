import type { Kafka } from 'kafkajs'
import { z } from 'zod'
import { Rejected } from '../../shared/errors.ts'
import { Count, Timestamp } from '../../shared/fields.ts'
import { operation, Reply } from '../../shared/function/operation.ts'
import { currentWork } from '../../shared/telemetry/context.ts'
import type { Log } from '../../shared/telemetry/log.ts'
import type { DeadLetterProducer } from './dead-letter-producer.ts'
import { keyOfPlace, markerOf, type Place } from './dead-letter-records.ts'
import { lettersAt, pendingLetters } from './find-dead-letters.ts'
import { redeliver } from './redeliver.ts'
import { rememberedReplay, rememberReplay } from './remembered-replays.ts'
import { reading, type TopicReader } from './topic-reader.ts'

export interface ReplayDeps {
  readonly kafka: Kafka
  readonly topic: string
  readonly producer: DeadLetterProducer
  readonly config: { readonly FUNCTION_URL: string }
  readonly log: Log
  readonly newId: () => string
  readonly now: () => Date
}

const LetterPlace = z.strictObject({
  partition: z.int().min(0).max(10_000),
  offset: z.string().regex(/^\d{1,15}$/, 'as it was listed'),
})
const text = z.string().min(1).max(300)

const Result = z
  .object({
    partition: z.int(),
    offset: z.string(),
    id: z.string().nullable(),
    destination: z.string().nullable(),
    result: z.enum(['delivered', 'refused', 'unavailable', 'not_found', 'no_destination', 'not_tried']).meta({
      description:
        '`refused`: the function will never take it as it is. `unavailable`: it may later. `not_found`: no letter is kept there. `no_destination`: no function of this system that handles events. `not_tried`: the time was over, or an earlier letter of the same entity found nobody.',
    }),
    status: z.int().optional(),
    error: z.string().optional(),
  })
  .meta({ id: 'ReplayedLetter' })
type Result = z.output<typeof Result>
type ResultName = Result['result']

const Replay = z
  .object({
    results: z.array(Result),
    counts: z.object({
      delivered: Count,
      refused: Count,
      unavailable: Count,
      not_found: Count,
      no_destination: Count,
      not_tried: Count,
    }),
    left: Count.meta({ description: 'Letters that `where` finds beyond the limit.' }),
  })
  .meta({ id: 'Replay' })

export const replayDeadLetters = operation<ReplayDeps>()({
  id: 'dead-letters-replay',
  route: 'POST /v1/dead-letters/replay',
  summary: 'Deliver dead letters again',
  description:
    'Each goes to the function that could not take it, with its own id, and to no other. A function drops an event that it has handled before, so a letter may be replayed twice. Give either `letters`, or `where` for those not replayed yet, oldest first (`{}` for all).',
  allow: ['ops:write'],
  idempotent: true,
  deadline: 28_000,
  example: { where: { destination: 'payments-charge' }, limit: 100 },
  input: z.strictObject({
    letters: z.array(LetterPlace).min(1).max(100).optional(),
    where: z
      .strictObject({
        destination: text.optional().meta({ description: "The function's name.", example: 'payments-charge' }),
        type: text.optional(),
        source: text.optional(),
        since: Timestamp.optional(),
      })
      .optional(),
    limit: z.int().min(1).max(500).default(100).meta({ description: 'Letters that `where` takes at most.' }),
  }),
  output: Replay,
  async handle(deps, { letters, where, limit }, call) {
    if ((letters === undefined) === (where === undefined)) {
      throw new Rejected('invalid_input', 'letters: give either letters or where.', {
        errors: [{ field: 'letters', message: 'give either letters or where' }],
      })
    }
    const { lastRead, lastStart, lastAnswer } = timesUntil(currentWork()?.deadline ?? Date.now() + 28_000)
    const { kafka, topic, newId } = deps
    return reading({ kafka, topic, readerId: newId(), deadline: lastRead }, async reader => {
      const known = await rememberedReplay<z.output<typeof Replay>>(reader, call, deps.now())
      if (known) return known
      const found = letters ? unique(letters) : await pendingLetters(reader, where ?? {})
      const chosen = letters ? found : found.slice(0, limit)
      const results = await replay(deps, reader, chosen, { lastStart, lastAnswer })
      const reply = Reply.of(200, { results, counts: countsOf(results), left: found.length - chosen.length })
      return rememberReplay(reader, deps.producer, call, reply, { id: deps.newId(), now: deps.now() }).catch(error => {
        // What is done is done: an answer that says so is worth more than a promise to repeat it.
        deps.log.warn({ cause: (error as Error).message }, 'the answer to a replay could not be kept')
        return reply
      })
    })
  },
})

/** A tenth of the time is for what comes after the last delivery, half for reading before the first. */
function timesUntil(deadline: number) {
  const [now, all] = [Date.now(), deadline - Date.now()]
  return { lastRead: now + all * 0.95, lastStart: now + all * 0.75, lastAnswer: now + all * 0.85 }
}

const unique = (places: readonly Place[]): Place[] => [...new Map(places.map(place => [keyOfPlace(place), place])).values()]

async function replay(
  { config, producer, log, newId, now }: ReplayDeps,
  reader: TopicReader,
  places: readonly Place[],
  times: { lastStart: number; lastAnswer: number },
): Promise<Result[]> {
  const stored = await lettersAt(reader, places)
  const outcomes = await redeliver([...stored.values()], {
    functionUrl: config.FUNCTION_URL,
    ...times,
    async delivered({ letter, message }) {
      const marker = { partition: letter.partition, key: message.key, headers: markerOf(letter, newId(), now()), value: null }
      await producer.send(marker).catch(error => {
        log.warn({ event: letter.id, cause: (error as Error).message }, 'a replayed letter could not be marked: it stays pending')
      })
    },
  })
  return places.map(place => {
    const letter = stored.get(keyOfPlace(place))?.letter
    const outcome = outcomes.get(keyOfPlace(place)) ?? { result: 'not_found' as const }
    return { ...place, id: letter?.id ?? null, destination: letter?.destination ?? null, ...outcome }
  })
}

function countsOf(results: readonly Result[]): Record<ResultName, number> {
  const count = (name: ResultName) => results.filter(({ result }) => result === name).length
  return Object.fromEntries(Result.shape.result.options.map(name => [name, count(name)])) as Record<ResultName, number>
}
