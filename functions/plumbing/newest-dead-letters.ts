import { type DeadLetter, isLetter, keyOfPlace, letterOf, markedBy, writtenAt } from './dead-letter-records.ts'
import type { TopicReader } from './topic-reader.ts'

export interface ListedLetter extends DeadLetter {
  /** When it was last delivered after all; null while it was not. */
  readonly replayedAt: string | null
}

/**
 * The newest letters, read backwards from the end of each partition until there are enough. A marker stands behind its letter in the
 * same partition, so what is known of a letter is complete once it is read.
 */
export async function newestDeadLetters(
  reader: TopicReader,
  { limit, pending }: { limit: number; pending: boolean },
): Promise<ListedLetter[]> {
  const letters: DeadLetter[] = []
  const replayed = new Map<string, string>()
  const listed = (): ListedLetter[] =>
    letters
      .map(letter => ({ ...letter, replayedAt: replayed.get(keyOfPlace(letter)) ?? null }))
      .filter(({ replayedAt }) => !pending || replayedAt === null)

  let unread = await reader.whole()
  for (let window = limit; unread.length > 0; window *= 2) {
    const tails = unread.map(({ partition, from, to }) => ({ partition, from: Math.max(from, to - window), to }))
    await reader.read(tails, (partition, message) => {
      const marked = markedBy(message)
      const place = marked && keyOfPlace(marked)
      const at = writtenAt(message)
      // Read backwards a stretch at a time: the newest of several markers may have been seen already.
      if (place && at > (replayed.get(place) ?? '')) replayed.set(place, at)
      if (isLetter(message)) letters.push(letterOf(partition, message))
    })
    const found = Map.groupBy(listed(), ({ partition }) => partition)
    unread = unread
      .map(({ partition, from }, index) => ({ partition, from, to: tails[index]?.from ?? from }))
      .filter(({ partition, from, to }) => to > from && (found.get(partition)?.length ?? 0) < limit)
  }
  return listed().sort(newestFirst).slice(0, limit)
}

const newestFirst = (a: DeadLetter, b: DeadLetter): number =>
  a.at === b.at ? Number(b.offset) - Number(a.offset) : a.at < b.at ? 1 : -1
