import type { z } from 'zod'
import { Rejected } from '../errors.ts'

/** Makes a row of the cells of a line. An empty cell says nothing: the field's default counts. */
export type RowOf = (cells: readonly string[]) => Record<string, unknown>

export interface Columns {
  /** A column for each field, under the name that `renamed` gives it. */
  readonly shape: z.ZodRawShape
  readonly renamed?: Readonly<Record<string, string>>
  /** Fields that hold numbers. */
  readonly numeric: readonly string[]
  /** What an export tells beside what can be set: it may come back as it is. */
  readonly ignored: readonly string[]
}

export const columnOf = (field: string, { renamed = {} }: Pick<Columns, 'renamed'>): string => renamed[field] ?? field

/** Reads the header. Throws Rejected that names the columns which are missing, unknown or there twice. */
export function rowReader(columns: Columns, header: readonly string[]): RowOf {
  const names = header.map(name => name.trim())
  const fields = new Map(
    Object.entries(columns.shape).map(([field, schema]) => [
      columnOf(field, columns),
      { field, isRequired: !(schema as z.ZodType).safeParse(undefined).success },
    ]),
  )
  const errors = [
    ...[...fields]
      .filter(([name, { isRequired }]) => isRequired && !names.includes(name))
      .map(([name]) => wrong(name, 'is missing')),
    ...names.filter(name => !fields.has(name) && !columns.ignored.includes(name)).map(name => wrong(name, 'is not known')),
    ...names.filter((name, index) => names.indexOf(name) !== index).map(name => wrong(name, 'stands twice')),
  ]
  if (errors.length > 0) {
    throw new Rejected('invalid_input', errors.map(({ message }) => message).join(' '), { errors })
  }
  const numeric = new Set(columns.numeric)
  const read = names.flatMap((name, index) => {
    const field = fields.get(name)?.field
    return field === undefined ? [] : { field, index, isNumeric: numeric.has(field) }
  })
  return cells => {
    const row: Record<string, unknown> = {}
    for (const { field, index, isNumeric } of read) {
      const cell = (cells[index] ?? '').trim()
      if (cell !== '') row[field] = isNumeric && /^-?\d{1,15}$/.test(cell) ? Number(cell) : cell
    }
    return row
  }
}

const wrong = (field: string, message: string) => ({ field, message: `The column ${field} ${message}.` })
