import { createHash } from 'node:crypto'
import { z } from 'zod'
import { Rejected } from '../../shared/errors.ts'
import { Count, DefaultedLocation } from '../../shared/fields.ts'
import { checkedInput } from '../../shared/function/operate.ts'
import type { Call, Operation } from '../../shared/function/operation.ts'
import { adjust } from './adjust.ts'
import { receive } from './receive.ts'
import { reserve } from './reserve.ts'
import { sell } from './sell.ts'
import { set } from './set.ts'

/** A row is one of the single operations with its own input, so that the rules cannot differ. */
const operations = { receive, sell, adjust, set, reserve } as const
export type BulkKind = keyof typeof operations

const RowKey = z
  .string()
  .regex(/^[\x21-\x7e]{1,100}$/, '1 to 100 printable characters without spaces')
  .meta({ description: 'Makes the row safe to repeat wherever it stands in the list. Its index when absent.' })

const { lines: receivedLines, ...receiveRest } = receive.input.shape
const { lines: soldLines, ...sellRest } = sell.input.shape
const { lines: adjustedLines, ...adjustRest } = adjust.input.shape
const lineFields = {
  receive: Object.keys(receivedLines.element.shape),
  sell: Object.keys(soldLines.element.shape),
  adjust: Object.keys(adjustedLines.element.shape),
}

/** As OpenAPI tells it. */
export const BulkRow = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('receive'),
      key: RowKey.optional(),
      ...receivedLines.element.shape,
      ...receiveRest,
    }),
    z.strictObject({ kind: z.literal('sell'), key: RowKey.optional(), ...soldLines.element.shape, ...sellRest }),
    z.strictObject({ kind: z.literal('adjust'), key: RowKey.optional(), ...adjustedLines.element.shape, ...adjustRest }),
    z.strictObject({
      kind: z.literal('set'),
      key: RowKey.optional(),
      ...set.input.shape,
      location: DefaultedLocation,
      ifMatch: Count.meta({ description: 'The version as it was read.' }),
    }),
    z.strictObject({ kind: z.literal('reserve'), key: RowKey.optional(), ...reserve.input.shape }),
  ])
  .meta({ id: 'StockBulkRow' })

const Frame = z.looseObject({ kind: z.enum(['receive', 'sell', 'adjust', 'set', 'reserve']), key: RowKey.optional() })
const SetFrame = z.looseObject({ location: DefaultedLocation, ifMatch: Count })

/** What a row asks for, in the terms of the single operation. */
export interface AskedRow {
  readonly operation: Operation
  readonly input: unknown
  readonly call: Call
}

/** Throws Rejected that names the row's own field. */
export function askedOf(row: unknown, index: number, call: Call): AskedRow {
  const { kind, key, ...fields } = checkedInput({ input: Frame }, row as object)
  const operation = operations[kind] as unknown as Operation
  const { ifMatch, given } = kind === 'set' ? settingOf(fields) : { ifMatch: undefined, given: bodyOf(kind, fields) }
  const idempotencyKey = keyOf(call, key, index)
  return {
    operation,
    input: kind === 'reserve' ? checkedInput(operation, given) : named(() => checkedInput(operation, given)),
    call: {
      subject: call.subject,
      client: call.client,
      scopes: call.scopes,
      fingerprint: idempotencyKey === undefined ? '' : fingerprint(kind, fields),
      ...(idempotencyKey !== undefined && { idempotencyKey }),
      ...(ifMatch !== undefined && { ifMatch }),
    },
  }
}

function settingOf(fields: Readonly<Record<string, unknown>>) {
  const { ifMatch, ...given } = checkedInput({ input: SetFrame }, fields)
  return { ifMatch, given }
}

/** `{sku, quantity, reason}` → `{lines: [{sku, quantity}], reason}` */
function bodyOf(kind: Exclude<BulkKind, 'set'>, fields: Readonly<Record<string, unknown>>): object {
  if (kind === 'reserve') return fields
  if ('lines' in fields) {
    throw new Rejected('invalid_input', 'lines: A row is one line.', {
      errors: [{ field: 'lines', message: 'A row is one line.' }],
    })
  }
  const isOfLine = ([name]: [string, unknown]) => lineFields[kind].includes(name)
  const entries = Object.entries(fields)
  const rest = Object.fromEntries(entries.filter(entry => !isOfLine(entry)))
  return { ...rest, lines: [Object.fromEntries(entries.filter(isOfLine))] }
}

/** The client knows a row's `sku`, not our `lines[0].sku`. */
function named<T>(check: () => T): T {
  try {
    return check()
  } catch (error) {
    if (!(error instanceof Rejected)) throw error
    const own = (text: string) => text.replace(/^lines\[0\]\./, '')
    const errors = (error.details.errors as { field: string; message: string }[]).map(({ field, message }) => ({
      field: own(field),
      message,
    }))
    throw new Rejected(error.code, own(error.message), { errors })
  }
}

/** Index and key are kept apart: the fourth row is not the row that its client calls 3. */
function keyOf(call: Call, key: string | undefined, index: number): string | undefined {
  if (call.idempotencyKey === undefined) return key === undefined ? undefined : `${call.client}:${key}`
  return `${call.idempotencyKey}:${key === undefined ? `row:${index}` : `key:${key}`}`
}

const fingerprint = (kind: BulkKind, fields: object): string =>
  createHash('sha256')
    .update(`stock-bulk ${kind} ${JSON.stringify(fields)}`)
    .digest('base64url')
