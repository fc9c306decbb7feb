import { milliseconds } from '../local/kafka-source/deliver.ts'
import { partitions, topics } from '../shared/events/catalog.ts'
import type { TidemarkFunction } from '../shared/function/declare.ts'

/** A KafkaSource as it was read from a file: nothing is known of it yet. */
export interface KafkaSourceDocument {
  readonly metadata?: { readonly name?: string }
  readonly spec?: {
    readonly consumerGroup?: string
    readonly bootstrapServers?: readonly string[]
    readonly topics?: readonly string[]
    readonly initialOffset?: string
    readonly ordering?: string
    readonly consumers?: number
    readonly delivery?: Partial<Record<DeliveryField, unknown>>
    readonly sink?: SinkDocument
  }
}
interface SinkDocument {
  readonly ref?: { readonly kind?: string; readonly name?: string }
}
type DeliveryField = 'retry' | 'backoffPolicy' | 'backoffDelay' | 'timeout' | 'deadLetterSink'

const deliveryFields: readonly DeliveryField[] = ['retry', 'backoffPolicy', 'backoffDelay', 'timeout', 'deadLetterSink']
/** Milliseconds that an ordered partition may stand still behind one event that fails: longer, and every shop notices. */
const longestStandstill = 5 * 60_000

/**
 * What is wrong with KafkaSources in ways that the API server accepts. Each rule is something that the dispatcher does
 * (eventing-kafka-broker 0.49) and nobody expects.
 */
export function lintKafkaSources(sources: readonly KafkaSourceDocument[], functions: readonly TidemarkFunction[]): string[] {
  const groups = Map.groupBy(sources, source => source.spec?.consumerGroup)
  return sources.flatMap(source => {
    const problems = [...positionProblems(source), ...deliveryProblems(source), ...sinkProblems(source, functions)]
    const sharing = groups.get(source.spec?.consumerGroup)?.length ?? 0
    if (source.spec?.consumerGroup && sharing > 1)
      problems.push(`shares the consumer group ${source.spec.consumerGroup}: each would get a part`)
    return problems.map(problem => `${source.metadata?.name ?? 'a source without a name'}: ${problem}`)
  })
}

function positionProblems({ spec = {} }: KafkaSourceDocument): string[] {
  const unknown = (spec.topics ?? []).filter(topic => !(topics as readonly string[]).includes(topic))
  return [
    ...(spec.consumerGroup
      ? []
      : ['consumerGroup is not named: a random one cannot be moved or watched, and it can never be changed']),
    ...(spec.initialOffset === 'earliest'
      ? []
      : ['initialOffset is not earliest: the default, latest, skips what came before the first start']),
    ...(spec.ordering === 'ordered' || spec.ordering === 'unordered' ? [] : ['ordering is not said']),
    ...(Number.isInteger(spec.consumers) && spec.consumers! >= 1 && spec.consumers! <= partitions
      ? []
      : [`consumers is not 1 to ${partitions}: it is the weight of its placement, and more than partitions are idle`]),
    ...(spec.topics?.length === 1 ? [] : ['topics is not exactly one: a function handles the events of one']),
    ...unknown.map(topic => `there is no topic ${topic}`),
    ...(spec.bootstrapServers?.length ? [] : ['bootstrapServers is empty']),
  ]
}

function deliveryProblems({ spec = {} }: KafkaSourceDocument): string[] {
  const delivery = spec.delivery
  if (!delivery) return ['delivery is absent: a poison record would block its partition for ten minutes and then be gone']
  const missing = deliveryFields.filter(field => delivery[field] === undefined)
  if (missing.length > 0) {
    return missing.map(field => `delivery.${field} is not said: its default applies only when all of delivery is absent`)
  }
  const { retry, backoffPolicy } = delivery
  const [backoffDelay, timeout] = [duration(delivery.backoffDelay), duration(delivery.timeout)]
  const problems = [
    ...(Number.isInteger(retry) && Number(retry) >= 1 ? [] : ['delivery.retry is not a count of at least 1']),
    ...(backoffPolicy === 'exponential' || backoffPolicy === 'linear'
      ? []
      : ['delivery.backoffPolicy is neither exponential nor linear']),
    ...(backoffDelay === undefined ? ['delivery.backoffDelay is not a duration like PT0.2S'] : []),
    ...(timeout === undefined ? ['delivery.timeout is not a duration like PT30S'] : []),
  ]
  if (problems.length > 0 || spec.ordering !== 'ordered') return problems
  const n = Number(retry)
  const standstill = Number(backoffDelay) * (backoffPolicy === 'exponential' ? 2 ** (n + 1) - 2 : (n * (n + 1)) / 2)
  return standstill > longestStandstill
    ? [
        `its ${n} retries wait ${Math.round(standstill / 1_000)} s in all, and hold up the partition (at most ${longestStandstill / 1_000} s)`,
      ]
    : []
}

function sinkProblems({ spec = {} }: KafkaSourceDocument, functions: readonly TidemarkFunction[]): string[] {
  const [sink, deadLetterSink] = [spec.sink?.ref, (spec.delivery?.deadLetterSink as SinkDocument | undefined)?.ref]
  const handler = functions.find(({ name }) => name === sink?.name)
  const burial = functions.find(({ name }) => name === deadLetterSink?.name)
  const problems: string[] = []
  if (!handler?.trigger) problems.push(`${sink?.name ?? 'its sink'} is no function that handles events`)
  else if (spec.topics?.[0] !== handler.trigger.topic) problems.push(`${handler.name} handles the topic ${handler.trigger.topic}`)
  const timeout = duration(spec.delivery?.timeout)
  if (handler?.trigger && timeout !== undefined && timeout <= handler.trigger.deadline) {
    problems.push(
      `delivery.timeout is not longer than the function's own deadline (${handler.trigger.deadline} ms): the same event would be handled twice at once`,
    )
  }
  if (!burial?.sink) problems.push(`${deadLetterSink?.name ?? 'the dead-letter sink'} keeps no dead letters`)
  else if (burial.scale.min < 1)
    problems.push(`${burial.name} may be asleep: what it does not take is lost, for the offset is committed all the same`)
  return problems
}

function duration(text: unknown): number | undefined {
  try {
    return milliseconds(String(text))
  } catch {
    return undefined
  }
}
