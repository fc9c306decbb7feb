import { z } from 'zod'
import { type Columns, rowReader } from '../../shared/csv/columns.ts'
import { Imported, ImportId, importDefinition, importFile, importReads } from '../../shared/csv/import.ts'
import type { RowError } from '../../shared/csv/import-record.ts'
import type { Chunk } from '../../shared/csv/read.ts'
import { idempotently } from '../../shared/data/idempotency.ts'
import type { Tx } from '../../shared/data/postgres.ts'
import { service } from '../../shared/function/declare.ts'
import { Reply, type StreamCall, streamOperation } from '../../shared/function/operation.ts'
import { NewProfile } from './category-profile.ts'
import { setFittingProfiles } from './category-rows.ts'
import type { RowResult } from './threshold-results.ts'
import { setFitting } from './threshold-rows.ts'
import { NewThreshold, type ThresholdFunction, thresholdUses } from './thresholds.ts'

/** What a file may hold, and what sets its rows. */
interface Kind {
  readonly kind: 'thresholds' | 'sku-profiles'
  readonly path: `/v1/${string}/imports`
  readonly columns: Columns
  readonly set: (tx: Tx, rows: readonly unknown[], deps: ThresholdFunction, actor: string) => Promise<RowResult[]>
}

const ignored = ['updatedAt', 'updatedBy']

const ofThresholds: Kind = {
  kind: 'thresholds',
  path: '/v1/thresholds/imports',
  columns: {
    shape: NewThreshold.shape,
    numeric: [
      ...['level', 'criticalLevel', 'resolveAbove', 'parLevel', 'windowDays', 'leadTimeDays', 'forSeconds', 'dedupSeconds'],
    ],
    ignored,
  },
  set: setFitting,
}

const ofProfiles: Kind = {
  kind: 'sku-profiles',
  path: '/v1/sku-profiles/imports',
  columns: { shape: NewProfile.shape, numeric: ['leadTimeDays', 'parLevel', 'packSize', 'minimumOrder'], ignored },
  set: setFittingProfiles,
}

const resumed =
  'Rows are set while the file is read, each for itself. The same file with the same Idempotency-Key or `id` goes on where it stopped and does nothing twice.'

const importThresholds = streamOperation<ThresholdFunction>()({
  ...importDefinition,
  id: 'thresholds-import',
  route: `POST ${ofThresholds.path}`,
  summary: 'Import low-stock thresholds from CSV',
  description: `UTF-8, the first row names the columns: \`level\`, and those of a threshold's other fields that are not the usual ones. ${resumed}`,
  allow: ['alerts:write'],
  example:
    'scope,sku,location,category,type,level,criticalLevel\nplace,85123A,main,,absolute,12,4\ncategory,,,kitchen,days_of_cover,7,2\n',
  input: z.strictObject({ id: ImportId }),
  output: Imported,
  handle: (deps, { id }, call) => importRows(ofThresholds, deps, id, call),
})

const importProfiles = streamOperation<ThresholdFunction>()({
  ...importDefinition,
  id: 'sku-profiles-import',
  route: `POST ${ofProfiles.path}`,
  summary: 'Import what alerts know of SKUs from CSV',
  description: `UTF-8, the first row names the columns: \`sku\`, and what is known of it. ${resumed}`,
  allow: ['alerts:write'],
  example: 'sku,category,leadTimeDays,packSize\n85123A,lights,10,12\n',
  input: z.strictObject({ id: ImportId }),
  output: Imported,
  handle: (deps, { id }, call) => importRows(ofProfiles, deps, id, call),
})

const importRows = (of: Kind, deps: ThresholdFunction, id: string | undefined, call: StreamCall) =>
  importFile(
    {
      ...{ database: deps.db.alerts, now: deps.now, newId: deps.newId, path: of.path, kind: of.kind },
      columns: header => rowReader(of.columns, header),
      submit: (record, chunk) => setRows(of, deps, record, chunk, call),
    },
    id,
    call,
  )

/** The rows that fit and the word that they are set are one transaction: no repetition overwrites what a person has set since. */
async function setRows(of: Kind, deps: ThresholdFunction, id: string, chunk: Chunk, call: StreamCall): Promise<RowError[]> {
  const idempotencyKey = `${of.kind}-import/${id}/${chunk.first}-${chunk.first + chunk.rows.length - 1}`
  const { text } = await idempotently(deps.db.alerts, { ...call, idempotencyKey, fingerprint: chunk.digest }, async tx => {
    const results = await of.set(tx, chunk.rows, deps, call.subject)
    return Reply.of(
      200,
      results.flatMap(({ index, problem }) => (problem ? rowError(chunk.first + index, problem) : [])),
    )
  })
  return JSON.parse(text) as RowError[]
}

function rowError(row: number, { code, errors = [] }: NonNullable<RowResult['problem']>): RowError {
  const [first] = errors
  return { row, code, field: first?.field ?? null, message: first?.message ?? '' }
}

export const alertsImport = service({
  name: 'alerts-import',
  summary: 'Import thresholds, and what alerts know of SKUs, from files',
  uses: thresholdUses,
  scale: { max: 2, concurrency: 4, timeout: 600, memory: 384 },
  operations: [
    importThresholds,
    importProfiles,
    ...[ofThresholds, ofProfiles].flatMap(({ kind, path }) =>
      importReads<ThresholdFunction>({
        ...{ name: `${kind}-import`, path, allow: ['alerts:read', 'alerts:write'], database: ({ db }) => db.alerts },
      }),
    ),
  ],
})
