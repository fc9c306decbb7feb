import type { KafkaMessage } from 'kafkajs'

export const deadLetterTopic = 'dead-letters'

/** A record's place: a letter has no other name, for one event may be dead-lettered by several functions. */
export interface Place {
  readonly partition: number
  readonly offset: string
}

export interface DeadLetter extends Place {
  readonly id: string
  readonly type: string
  readonly source: string
  readonly subject: string | null
  readonly destination: string | null
  readonly status: string | null
  readonly error: string | null
  readonly at: string
}

/** What the topic holds beside letters begins with this: what was replayed, and what a client was answered. Nobody else may send it. */
export const ownTypes = 'tidemark.dead-letter.'
export const replayedType = 'tidemark.dead-letter.replayed.v1'
export const answeredType = 'tidemark.dead-letter.replay-answered.v1'

export const keyOfPlace = ({ partition, offset }: Place): string => `${partition}/${offset}`

export const headerOf = (message: KafkaMessage, name: string): string | null => message.headers?.[name]?.toString() ?? null

export const isLetter = (message: KafkaMessage): boolean => !headerOf(message, 'ce_type')?.startsWith(ownTypes)

export function letterOf(partition: number, message: KafkaMessage): DeadLetter {
  const header = (name: string) => headerOf(message, name)
  return {
    partition,
    offset: message.offset,
    id: header('ce_id') ?? '',
    type: header('ce_type') ?? '',
    source: header('ce_source') ?? '',
    subject: header('ce_subject'),
    destination: header('ce_knativeerrordest'),
    status: header('ce_knativeerrorcode'),
    error: header('ce_knativeerrordata'),
    at: writtenAt(message),
  }
}

export const writtenAt = (message: KafkaMessage): string => new Date(Number(message.timestamp)).toISOString()

/** The headers of the marker that says that a letter was delivered after all. */
export const markerOf = ({ partition, offset }: Place, id: string, now: Date): Record<string, string> => ({
  ce_specversion: '1.0',
  ce_id: id,
  ce_type: replayedType,
  ce_source: '/tidemark/dead-letters',
  ce_time: now.toISOString(),
  ce_letterpartition: String(partition),
  ce_letteroffset: offset,
})

/** The letter that a marker is about; undefined for every other record. */
export function markedBy(message: KafkaMessage): Place | undefined {
  const [partition, offset] = [headerOf(message, 'ce_letterpartition'), headerOf(message, 'ce_letteroffset')]
  if (headerOf(message, 'ce_type') !== replayedType || partition === null || offset === null) return undefined
  return { partition: Number(partition), offset }
}
