import { isLetter, keyOfPlace, letterOf, markedBy, type Place } from './dead-letter-records.ts'
import { functionNameOf } from './destination.ts'
import type { StoredLetter } from './redeliver.ts'
import type { TopicReader } from './topic-reader.ts'

export interface Where {
  /** A function's name, or the whole address as the letter has it. */
  readonly destination?: string | undefined
  readonly type?: string | undefined
  readonly source?: string | undefined
  readonly since?: string | undefined
}

/** Where the letters are that were not replayed yet, oldest first. Their bytes are not kept: there may be very many. */
export async function pendingLetters(reader: TopicReader, where: Where): Promise<Place[]> {
  const since = where.since === undefined ? undefined : new Date(where.since)
  const pending = new Map<string, Place & { at: string }>()
  await reader.read(await reader.whole(since), (partition, message) => {
    const marked = markedBy(message)
    if (marked) pending.delete(keyOfPlace(marked))
    if (!isLetter(message)) return
    const { offset, at, type, source, destination } = letterOf(partition, message)
    const wanted =
      (where.type === undefined || type === where.type) &&
      (where.source === undefined || source === where.source) &&
      (where.destination === undefined || [destination, functionNameOf(destination)].includes(where.destination)) &&
      (since === undefined || Date.parse(at) >= since.getTime())
    if (wanted) pending.set(`${partition}/${offset}`, { partition, offset, at })
  })
  return [...pending.values()].sort((a, b) => (a.at === b.at ? Number(a.offset) - Number(b.offset) : a.at < b.at ? -1 : 1))
}

/** The letters at these places, whole; what is no letter, or is kept no longer, is absent. */
export async function lettersAt(reader: TopicReader, places: readonly Place[]): Promise<Map<string, StoredLetter>> {
  const wanted = new Set(places.map(keyOfPlace))
  const found = new Map<string, StoredLetter>()
  const stretches = (await reader.whole()).flatMap(({ partition, from, to }) => {
    const offsets = places
      .filter(place => place.partition === partition)
      .map(({ offset }) => Number(offset))
      .filter(offset => offset >= from && offset < to)
    return offsets.length === 0 ? [] : [{ partition, from: Math.min(...offsets), to: Math.max(...offsets) + 1 }]
  })
  await reader.read(stretches, (partition, message) => {
    const place = keyOfPlace({ partition, offset: message.offset })
    if (wanted.has(place) && isLetter(message)) found.set(place, { letter: letterOf(partition, message), message })
  })
  return found
}
