import { type EventData, eventSchemas } from './generated.ts'

export type EventType = keyof EventData
export type Topic = (typeof eventSchemas)[EventType]['topic'] | 'dead-letters'

/** Partitions of every topic. They bound how many events of an ordered source are in flight; keys keep their order when none is added. */
export const partitions = 12

export interface EventOf<T extends EventType> {
  readonly id: string
  readonly type: T
  readonly subject: string
  readonly time: Date
  readonly data: EventData[T]
}

/** An event that a transaction makes true. Its key on Kafka is the field that the schema names. */
export type NewEvent<T extends EventType = EventType> = { [K in T]: { readonly type: K; readonly data: EventData[K] } }[T]

export const eventTypes = Object.keys(eventSchemas) as EventType[]
export const isEventType = (type: string): type is EventType => Object.hasOwn(eventSchemas, type)
export const topicOf = (type: EventType): Topic => eventSchemas[type].topic
export const schemaOf = (type: EventType): string => eventSchemas[type].schema

export const topics: Topic[] = [...new Set<Topic>([...eventTypes.map(topicOf), 'dead-letters'])]

export function keyOf(type: EventType, data: unknown): string {
  return String((data as Record<string, unknown>)[eventSchemas[type].key])
}

/** The Kafka consumer group of a function's source: it names the function's position in its topic, so it must never change. */
export const consumerGroupOf = (functionName: string): string => `tidemark.${functionName}`
