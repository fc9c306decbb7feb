import type { z } from 'zod'
import { Rejected } from '../../shared/errors.ts'
import { BulkRow } from './bulk-row.ts'

export const importKinds = ['set', 'receive', 'adjust'] as const
export type ImportKind = (typeof importKinds)[number]

/** What an export tells beside what can be set: it may come back as it is. */
const ignored = new Set(['reserved', 'available', 'safetyStock', 'backorderLimit', 'capacity'])
const numeric = new Set(['quantity', 'delta', 'onHand', 'version'])

/** Fields that a file calls otherwise: the column as it is exported. */
const columnOf = (field: string): string => (field === 'ifMatch' ? 'version' : field)
const fieldOf = (column: string): string => (column === 'version' ? 'ifMatch' : column)

/** A column for each field of the bulk row, so that a file can say what a row can. */
function columnsOf(kind: ImportKind): Map<string, { required: boolean }> {
  const row = BulkRow.options.find(option => option.shape.kind.value === kind) as z.ZodObject
  const fields = Object.entries(row.shape).filter(([field]) => field !== 'kind' && field !== 'key')
  return new Map(
    fields.map(([field, schema]) => [columnOf(field), { required: !(schema as z.ZodType).safeParse(undefined).success }]),
  )
}

/** Reads the header and gives what makes a bulk row of cells. An empty cell says nothing: the field's default counts. */
export function importColumns(
  kind: ImportKind,
  header: readonly string[],
): (cells: readonly string[]) => Record<string, unknown> {
  const names = header.map(name => name.trim())
  const columns = columnsOf(kind)
  const errors = [
    ...[...columns]
      .filter(([name, { required }]) => required && !names.includes(name))
      .map(([name]) => wrong(name, 'is missing')),
    ...names.filter(name => !columns.has(name) && !ignored.has(name)).map(name => wrong(name, 'is not known')),
    ...names.filter((name, index) => names.indexOf(name) !== index).map(name => wrong(name, 'stands twice')),
  ]
  if (errors.length > 0) {
    throw new Rejected('invalid_input', errors.map(({ message }) => message).join(' '), { errors })
  }
  const read = names.map((name, index) => ({ name, index })).filter(({ name }) => columns.has(name))
  return cells => {
    const row: Record<string, unknown> = { kind }
    for (const { name, index } of read) {
      const cell = (cells[index] ?? '').trim()
      if (cell !== '') row[fieldOf(name)] = numeric.has(name) && /^-?\d{1,15}$/.test(cell) ? Number(cell) : cell
    }
    return row
  }
}

const wrong = (field: string, message: string) => ({ field, message: `The column ${field} ${message}.` })

/** The column that a refused row is told. */
export const refusedColumn = (field: string): string => columnOf(field)
