import { z } from 'zod'
import { rowReader } from '../../shared/csv/columns.ts'
import { Imported, ImportId, importDefinition, importFile, importReads } from '../../shared/csv/import.ts'
import type { RowError } from '../../shared/csv/import-record.ts'
import type { Chunk } from '../../shared/csv/read.ts'
import { idempotently } from '../../shared/data/idempotency.ts'
import { service } from '../../shared/function/declare.ts'
import { Reply, type StreamCall, streamOperation } from '../../shared/function/operation.ts'
import { setFitting } from './threshold-rows.ts'
import { NewThreshold, type ThresholdFunction, thresholdUses } from './thresholds.ts'

const path = '/v1/thresholds/imports'

const columns = {
  shape: NewThreshold.shape,
  numeric: ['level', 'resolveAbove'],
  ignored: ['updatedAt', 'updatedBy'],
}

const importThresholds = streamOperation<ThresholdFunction>()({
  ...importDefinition,
  id: 'thresholds-import',
  route: `POST ${path}`,
  summary: 'Import low-stock thresholds from CSV',
  description:
    'UTF-8, the first row names the columns: `sku`, `level`, and `location` and `resolveAbove` where they are not the usual ones. Rows are set while the file is read, each for itself. The same file with the same Idempotency-Key or `id` goes on where it stopped and does nothing twice.',
  allow: ['alerts:write'],
  example: 'sku,location,level,resolveAbove\n85123A,main,12,20\n71053,main,3,\n',
  input: z.strictObject({ id: ImportId }),
  output: Imported,
  handle: (deps, { id }, call) =>
    importFile(
      {
        ...{ database: deps.db.alerts, now: deps.now, newId: deps.newId, path, kind: 'thresholds' },
        columns: header => rowReader(columns, header),
        submit: (of, chunk) => setRows(deps, of, chunk, call),
      },
      id,
      call,
    ),
})

/** The rows that fit and the word that they are set are one transaction: no repetition overwrites what a person has set since. */
async function setRows(deps: ThresholdFunction, id: string, chunk: Chunk, call: StreamCall): Promise<RowError[]> {
  const idempotencyKey = `thresholds-import/${id}/${chunk.first}-${chunk.first + chunk.rows.length - 1}`
  const { text } = await idempotently(deps.db.alerts, { ...call, idempotencyKey, fingerprint: chunk.digest }, async tx => {
    const results = await setFitting(tx, chunk.rows, deps, call.subject)
    return Reply.of(
      200,
      results.flatMap(({ index, problem }) => (problem ? rowError(chunk.first + index, problem) : [])),
    )
  })
  return JSON.parse(text) as RowError[]
}

type Problem = NonNullable<Awaited<ReturnType<typeof setFitting>>[number]['problem']>

function rowError(row: number, { code, errors = [] }: Problem): RowError {
  const [first] = errors
  return { row, code, field: first?.field ?? null, message: first?.message ?? '' }
}

export const alertsImport = service({
  name: 'alerts-import',
  summary: 'Import thresholds from files',
  uses: thresholdUses,
  scale: { max: 2, concurrency: 4, timeout: 600, memory: 384 },
  operations: [
    importThresholds,
    ...importReads<ThresholdFunction>({
      ...{ name: 'thresholds-import', path, allow: ['alerts:read', 'alerts:write'], database: ({ db }) => db.alerts },
    }),
  ],
})
