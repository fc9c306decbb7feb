import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import {
  archiveFolder,
  archiveSettings,
  lsn,
  newestSegment,
  removeOlderSegments,
  restoreCommand,
  segmentsBetween,
} from './wal-archive.ts'

const root = mkdtempSync(join(tmpdir(), "tidemark-100%-wal's-"))
after(() => rmSync(root, { recursive: true }))

/** As Postgres does: %p and %f are replaced, and %% is a percent sign. */
const shell = (command: string, path: string, name: string) =>
  spawnSync('sh', ['-c', command.replace(/%([pf%])/g, (_, letter: string) => ({ p: path, f: name, '%': '%' })[letter] as string)])

async function archiveOf(name: string) {
  const folder = join(root, name)
  mkdirSync(folder)
  const { archive_command: command = '' } = await archiveSettings(folder)
  const segment = join(folder, 'segment')
  writeFileSync(segment, 'the log')
  return { folder, archive: archiveFolder(folder), segment, keep: (as: string) => shell(command, segment, as).status }
}

const first = '000000010000000000000001'

test('nothing is kept before the first backup has asked for an archive', async () => {
  const { archive, keep } = await archiveOf('without')
  assert.equal(keep(first), 0)
  assert.equal(existsSync(archive), false)
})

test('a segment is kept once: the same again is fine, another by its name is refused and overwrites nothing', async () => {
  const { archive, segment, keep } = await archiveOf('once')
  mkdirSync(archive)
  assert.equal(keep(first), 0)
  assert.equal(keep(first), 0)
  writeFileSync(segment, 'another log')
  assert.notEqual(keep(first), 0)
  assert.deepEqual(readdirSync(archive), [`${first}.gz`])
  assert.equal(String(gunzipSync(readFileSync(join(archive, `${first}.gz`)))), 'the log')
})

test('a segment that is not there ends the recovery, one that is damaged stops it', async () => {
  const { folder, archive, keep } = await archiveOf('read')
  mkdirSync(archive)
  keep(first)
  const target = join(folder, 'restored')
  const restore = (name: string) => shell(restoreCommand(archive), target, name).status
  assert.equal(restore(first), 0)
  assert.equal(readFileSync(target, 'utf8'), 'the log')
  assert.equal(restore('000000010000000000000002'), 1)
  writeFileSync(join(archive, `${first}.gz`), 'not compressed')
  assert.ok((restore(first) ?? 0) > 125, 'Postgres would take it for the end of the archive')
})

test('segments are counted over the end of a log file', () => {
  assert.deepEqual(segmentsBetween('0000000300000001000000FE', '000000030000000200000001'), [
    '0000000300000001000000FE',
    '0000000300000001000000FF',
    '000000030000000200000000',
    '000000030000000200000001',
  ])
  assert.equal(lsn('2/1000000'), 0x2_0100_0000n)
})

test('the newest segment is one of the newest timeline, however far an older one went', async () => {
  const { archive } = await archiveOf('timelines')
  assert.equal(await newestSegment(archive), undefined)
  mkdirSync(archive)
  const put = (name: string) => writeFileSync(join(archive, `${name}.gz`), '')
  for (const name of ['000000010000000000000009', '00000002.history', '000000020000000000000005']) put(name)
  assert.deepEqual(await newestSegment(archive), { name: '000000020000000000000005', begin: 0x500_0000n, end: 0x600_0000n })
  put('00000003.history')
  assert.equal(await newestSegment(archive), undefined)
})

test('what no kept backup needs is deleted, on every timeline, and histories stay', async () => {
  const { archive } = await archiveOf('old')
  mkdirSync(archive)
  const old = [
    '000000010000000000000004.gz',
    '000000010000000000000002.00000028.backup.gz',
    '000000010000000000000003.partial.gz',
  ]
  const kept = ['000000010000000000000006.gz', '00000002.history.gz', '000000020000000000000005.gz']
  for (const name of [...old, ...kept]) writeFileSync(join(archive, name), '')
  assert.equal(await removeOlderSegments(archive, '000000020000000000000005'), old.length)
  assert.deepEqual(readdirSync(archive).sort(), kept)
})
