import type { z } from 'zod'
import { type Columns, columnOf, type RowOf, rowReader } from '../../shared/csv/columns.ts'
import { BulkRow } from './bulk-row.ts'

export const importKinds = ['set', 'receive', 'adjust'] as const
export type ImportKind = (typeof importKinds)[number]

/** A column for each field of the bulk row, so that a file can say what a row can. `version` is as it was exported. */
function columnsOf(kind: ImportKind): Columns {
  const option = BulkRow.options.find(({ shape }) => shape.kind.value === kind) as z.ZodObject
  const { kind: _kind, key: _key, ...shape } = option.shape
  return {
    shape,
    renamed,
    numeric: ['quantity', 'delta', 'onHand', 'ifMatch'],
    ignored: ['reserved', 'available', 'safetyStock', 'backorderLimit', 'capacity'],
  }
}

const renamed = { ifMatch: 'version' }

/** Reads the header and gives what makes a bulk row of cells. */
export function importColumns(kind: ImportKind, header: readonly string[]): RowOf {
  const rowOf = rowReader(columnsOf(kind), header)
  return cells => ({ kind, ...rowOf(cells) })
}

/** The column that a refused row is told. */
export const refusedColumn = (field: string): string => columnOf(field, { renamed })
