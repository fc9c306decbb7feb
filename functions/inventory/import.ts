import { z } from 'zod'
import { Imported, ImportId, importDefinition, importFile, importReads } from '../../shared/csv/import.ts'
import { service } from '../../shared/function/declare.ts'
import { streamOperation } from '../../shared/function/operation.ts'
import type { Deps } from '../../shared/function/resources.ts'
import { importColumns, importKinds } from './import-columns.ts'
import { submitRows } from './import-submit.ts'

const uses = ['db:inventory', 'call:inventory'] as const
type ImportFunction = Deps<typeof uses>

const path = '/v1/stock/imports'

export const importStock = streamOperation<ImportFunction>()({
  ...importDefinition,
  id: 'stock-import',
  route: `POST ${path}`,
  summary: 'Import stock from CSV',
  description:
    'UTF-8, the first row names the columns: those of a bulk row, with `version` for what was read when `kind` is `set`. Rows are done while the file is read, each for itself. The same file with the same Idempotency-Key or `id` goes on where it stopped and does nothing twice.',
  allow: ['stock:write'],
  example: 'sku,location,onHand,version\n85123A,main,118,17\n71053,main,0,4\n',
  input: z.strictObject({ kind: z.enum(importKinds), id: ImportId }),
  output: Imported,
  handle: ({ db, call, now, newId }, { kind, id }, request) =>
    importFile(
      {
        ...{ database: db.inventory, now, newId, path, kind },
        columns: header => importColumns(kind, header),
        submit: (of, chunk, signal) => submitRows(call.inventory, of, chunk, signal),
      },
      id,
      request,
    ),
})

export const inventoryImport = service({
  name: 'inventory-import',
  summary: 'Import stock from files',
  uses,
  scale: { max: 3, concurrency: 8, timeout: 600, memory: 384 },
  operations: [
    importStock,
    ...importReads<ImportFunction>({
      ...{ name: 'stock-import', path, allow: ['stock:read', 'stock:write'], database: ({ db }) => db.inventory },
    }),
  ],
})
