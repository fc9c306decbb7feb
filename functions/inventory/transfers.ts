import { z } from 'zod'
import { decodeCursor, pageOf } from '../../shared/cursor.ts'
import { Rejected } from '../../shared/errors.ts'
import {
  Count,
  Id,
  Location,
  lineLimit,
  lines,
  page,
  pageQuery,
  Quantity,
  Reference,
  Sku,
  Timestamp,
} from '../../shared/fields.ts'
import { stockOperation } from './function.ts'
import { inTransit, type Transfer } from './transfer.ts'
import { listTransfers, readTransfer } from './transfer-rows.ts'

const TransferState = z.enum(['in_transit', 'received', 'cancelled'])

export const TransferBody = z
  .object({
    id: Id,
    state: TransferState,
    source: Location,
    destination: Location,
    reference: z.string().nullable(),
    writeOffReason: z.string().nullable(),
    createdAt: Timestamp,
    lines: z.array(
      z.object({
        ...{ sku: Sku, quantity: Quantity },
        inTransit: Count,
        received: Count,
        writtenOff: Count.meta({ description: 'Units that will never arrive.' }),
        cancelled: Count.meta({ description: 'Units that went back to the source.' }),
      }),
    ),
  })
  .meta({ id: 'Transfer' })

const bodyOf = (transfer: Transfer): z.output<typeof TransferBody> => ({
  ...transfer,
  createdAt: transfer.createdAt.toISOString(),
  lines: transfer.lines.map(line => ({ ...line, inTransit: inTransit(line) })),
})

const TransferLine = z.strictObject({ sku: Sku, quantity: Quantity })

export const dispatch = stockOperation({
  id: 'transfer-dispatch',
  route: 'POST /v1/transfers',
  summary: 'Send stock to another location',
  description:
    'The units leave the source at once and are in transit until they are received or the transfer is cancelled. All lines or none; units that are promised cannot be sent away. The movements of a transfer carry its id as their reference.',
  allow: ['stock:write'],
  idempotent: true,
  status: 201,
  problems: ['insufficient_stock'],
  example: { source: 'main', destination: 'zurich', lines: [{ sku: '85123A', quantity: 40 }], reference: 'TRUCK-12' },
  input: z.strictObject({ source: Location, destination: Location, lines: lines(TransferLine), reference: Reference.optional() }),
  output: TransferBody,
  async handle({ ledger, newId }, { source, destination, lines: given, reference }, call) {
    if (source === destination) throw invalid('destination', 'not the source')
    const id = newId()
    const command = { kind: 'transfer', id, source, destination, lines: given, named: reference, reference: id } as const
    return ledger.execute({ ...command, actor: call.subject }, call, 201, ({ transfer }) => bodyOf(transfer as Transfer))
  },
})

export const receiveTransfer = stockOperation({
  id: 'transfer-receive',
  route: 'POST /v1/transfers/{id}/receive',
  summary: 'Receive a transfer',
  description:
    'Puts units on the shelf of the destination: all that are in transit, or those of `lines`. The rest stays in transit, or is written off when `writeOff` says why. Receiving the whole again finds it done, a part needs its key.',
  allow: ['stock:write'],
  idempotent: true,
  problems: ['not_found', 'transfer_not_in_transit', 'exceeds_outstanding', 'capacity_exceeded'],
  example: { lines: [{ sku: '85123A', quantity: 38 }], writeOff: 'two broken on the way' },
  input: z.strictObject({
    id: Id,
    lines: z
      .array(TransferLine)
      .max(lineLimit)
      .optional()
      .meta({ description: 'What arrived. All that is in transit when absent.' }),
    writeOff: Reference.optional().meta({ description: 'Why the rest will never arrive.' }),
  }),
  output: TransferBody,
  async handle({ ledger }, { id, lines: given, writeOff }, call) {
    if (given?.length === 0 && writeOff === undefined) throw invalid('lines', 'at least one, unless the rest is written off')
    const command = { kind: 'transfer-receive', id, lines: given, writeOff, reference: id, actor: call.subject } as const
    return ledger.execute(command, call, 200, ({ transfer }) => bodyOf(transfer as Transfer))
  },
})

export const cancelTransfer = stockOperation({
  id: 'transfer-cancel',
  route: 'POST /v1/transfers/{id}/cancel',
  summary: 'Cancel a transfer',
  description: 'What has not arrived goes back to the source. Doing it again finds it done.',
  allow: ['stock:write'],
  idempotent: true,
  problems: ['not_found', 'transfer_not_in_transit'],
  example: {},
  input: z.strictObject({ id: Id }),
  output: TransferBody,
  handle: ({ ledger }, { id }, call) =>
    ledger.execute({ kind: 'transfer-cancel', id, reference: id, actor: call.subject }, call, 200, ({ transfer }) =>
      bodyOf(transfer as Transfer),
    ),
})

export const readOneTransfer = stockOperation({
  id: 'transfer-read',
  route: 'GET /v1/transfers/{id}',
  summary: 'Read a transfer',
  allow: ['stock:read', 'stock:write'],
  problems: ['not_found'],
  input: z.strictObject({ id: Id }),
  output: TransferBody,
  async handle({ db }, { id }) {
    const transfer = await readTransfer(db.inventory.sql, id)
    if (!transfer) throw new Rejected('not_found', `There is no transfer ${id}.`)
    return bodyOf(transfer)
  },
})

export const listAllTransfers = stockOperation({
  id: 'transfer-list',
  route: 'GET /v1/transfers',
  summary: 'List transfers',
  description: 'The newest first, a page at a time.',
  allow: ['stock:read', 'stock:write'],
  input: z.strictObject({
    state: TransferState.optional(),
    location: Location.optional().meta({ description: 'As source or as destination.' }),
    ...pageQuery,
  }),
  output: page(TransferBody).meta({ id: 'TransferPage' }),
  async handle({ db }, { state, location, limit, cursor }) {
    const [before] = decodeCursor(cursor, z.tuple([Id])) ?? []
    const transfers = await listTransfers(db.inventory.sql, { state, location, before, limit: limit + 1 })
    return pageOf(transfers.map(bodyOf), limit, ({ id }) => [id])
  },
})

/** What one field alone cannot say. */
const invalid = (field: string, message: string) =>
  new Rejected('invalid_input', `${field}: ${message}.`, { errors: [{ field, message }] })
