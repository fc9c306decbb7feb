import { chown, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PostgresUser } from './postgres-files.ts'

/** Finished WAL segments, compressed: beside the cluster, where the user that Postgres runs as may write. */
export const archiveFolder = (folder: string): string => join(folder, 'archive')

/** Bytes of a segment, as initdb makes them. */
const segmentBytes = 16n * 1024n * 1024n

const segmentFile = /^([0-9A-F]{8})([0-9A-F]{16})\.gz$/

/**
 * A finished segment is on disk under its own name or not there at all. Asked for one that is there already, which happens after a
 * crash, it says yes only when that is the same. Without the folder nobody has asked for an archive, and nothing is kept.
 */
const script = `#!/bin/sh
# archive-wal.sh ARCHIVE PATH NAME
[ -d "$1" ] || exit 0
kept="$1/$3.gz"
if [ -f "$kept" ]; then gzip -dc "$kept" | cmp -s - "$2"; exit; fi
gzip -1 -c "$2" > "$kept.part" && sync "$kept.part" && mv "$kept.part" "$kept" && sync "$1"
`

/** Archiving costs nothing before the first backup makes the folder, and then a gzip each 16 MB or minute. */
export async function archiveSettings(folder: string): Promise<Record<string, string>> {
  const file = join(folder, 'archive-wal.sh')
  await writeFile(file, script, { mode: 0o755 })
  return {
    archive_mode: 'on',
    archive_command: `sh ${quoted(file)} ${quoted(archiveFolder(folder))} "%p" "%f"`,
    // What a lost disk can cost, beside the seconds that archiving takes.
    archive_timeout: '60s',
  }
}

/** A segment that is there and cannot be read ends the recovery with an error: above 125 Postgres does not take it for the archive's end. */
export function restoreCommand(archive: string): string {
  const kept = `${quoted(archive)}/"%f".gz`
  return `test -f ${kept} || exit 1; gzip -dc ${kept} > "%p" || exit 126`
}

const quoted = (path: string): string => `'${path.replaceAll("'", `'\\''`).replaceAll('%', '%%')}'`

export async function openArchive(folder: string, user: PostgresUser): Promise<string> {
  const archive = archiveFolder(folder)
  await mkdir(archive, { recursive: true, mode: 0o700 })
  if (user.uid !== undefined && user.gid !== undefined) await chown(archive, user.uid, user.gid)
  return archive
}

/** Where it begins and ends in the log, in bytes. */
export interface Segment {
  readonly name: string
  readonly begin: bigint
  readonly end: bigint
}

/** The newest segment of the newest timeline that the archive knows; undefined when it has none of it. */
export async function newestSegment(archive: string): Promise<Segment | undefined> {
  const names = await readdir(archive).catch(() => [])
  const timelines = names.flatMap(name => /^([0-9A-F]{8})(?:\.history|[0-9A-F]{16})\.gz$/.exec(name)?.[1] ?? [])
  const timeline = timelines.sort().at(-1)
  const newest = names
    .filter(name => segmentFile.exec(name)?.[1] === timeline)
    .sort()
    .at(-1)
  if (newest === undefined) return undefined
  const name = newest.replace('.gz', '')
  const begin = numberOf(name) * segmentBytes
  return { name, begin, end: begin + segmentBytes }
}

const perLog = 0x1_0000_0000n / segmentBytes
const numberOf = (segment: string): bigint => BigInt(`0x${segment.slice(8, 16)}`) * perLog + BigInt(`0x${segment.slice(16)}`)
const hex = (value: bigint): string => value.toString(16).toUpperCase().padStart(8, '0')

/** The names from one segment to another of the same timeline, both included. */
export function segmentsBetween(first: string, last: string): string[] {
  const begin = numberOf(first)
  const count = Number(numberOf(last) - begin) + 1
  return Array.from({ length: count }, (_, index) => {
    const number = begin + BigInt(index)
    return `${first.slice(0, 8)}${hex(number / perLog)}${hex(number % perLog)}`
  })
}

/** `16/B374D848` as a number of bytes. */
export function lsn(text: string): bigint {
  const [high = '', low = ''] = text.split('/')
  return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`)
}

/**
 * Deletes segments older than the one with which the oldest kept backup begins, of all timelines; histories of timelines are small and stay.
 * @returns how many
 */
export async function removeOlderSegments(archive: string, firstNeeded: string): Promise<number> {
  const isOlder = (name: string) => {
    const position = /^[0-9A-F]{8}([0-9A-F]{16})/.exec(name)?.[1]
    return position !== undefined && position < firstNeeded.slice(8)
  }
  const old = (await readdir(archive)).filter(isOlder)
  for (const name of old) await rm(join(archive, name), { force: true })
  return old.length
}
