import { z } from 'zod'
import { decodeCursor } from '../../shared/cursor.ts'
import { Count, Location, page, pageQuery, Reference, Sku, Timestamp } from '../../shared/fields.ts'
import type { StockCommand } from './decide.ts'
import { stockOperation } from './function.ts'
import { isWhole, type Totals, totalsAfter, totalsBefore, withTotals } from './history-totals.ts'
import { listMovements, lookedAt, type MovementRow } from './movements.ts'
import { walkedPage } from './walk.ts'

/** What happens to stock; to extend a reservation moves nothing. The compiler tells when the rule knows another one. */
const kinds = {
  ...{ receive: true, sell: true, adjust: true, count: true, repair: true, set: true, settings: true },
  ...{ reserve: true, commit: true, release: true, return: true, expire: true },
  ...{ transfer: true, 'transfer-receive': true, 'transfer-cancel': true },
} satisfies Record<Exclude<StockCommand['kind'], 'extend'>, true>
const Kind = z.enum(Object.keys(kinds) as (keyof typeof kinds)[])

export const Movement = z
  .object({
    sku: Sku,
    location: Location,
    version: Count.meta({ description: 'The version that the stock had after it.' }),
    kind: Kind.meta({ description: 'What happened.', example: 'receive' }),
    onHandDelta: z.int().meta({ description: 'Units that came onto the shelf or left it.' }),
    reservedDelta: z.int().meta({ description: 'Units that were promised or no longer are.' }),
    onHandAfter: z.int().optional().meta({
      description:
        'Units on the shelf after it: in the history of one SKU at one location that is asked for without another filter.',
    }),
    reservedAfter: z.int().optional().meta({ description: 'Units that were promised after it, where `onHandAfter` is told.' }),
    reason: z.string().nullable(),
    reference: z.string().nullable(),
    actor: z.string().meta({ description: 'Who did it.' }),
    at: Timestamp,
  })
  .meta({ id: 'Movement' })

/** Of versions and of microseconds since 1970: 16 digits last until the year 2286. */
const digits = z.string().regex(/^\d{1,16}$/)
const units = z.string().regex(/^-?\d{1,15}$/)
const Key = z.union([z.tuple([digits, Sku, Location, digits]), z.tuple([digits, Sku, Location, digits, units, units])])

export const history = stockOperation({
  id: 'stock-history',
  route: 'GET /v1/stock/movements',
  summary: 'Read the history of stock',
  description:
    'Every change of stock, newest first, a page at a time. A page of a filter that few movements match may be short or empty while `next` says that there is more.',
  allow: ['stock:read', 'stock:write'],
  input: z.strictObject({
    sku: Sku.optional(),
    location: Location.optional(),
    reference: Reference.optional(),
    kind: Kind.optional(),
    actor: z.string().min(1).max(200).optional(),
    from: Timestamp.optional().meta({ description: 'The first moment of the time that is meant.' }),
    to: Timestamp.optional().meta({ description: 'The first moment after it.' }),
    ...pageQuery,
  }),
  output: page(Movement).meta({ id: 'MovementPage' }),
  async handle({ reads }, { limit, cursor, ...filter }) {
    const key = decodeCursor(cursor, Key)
    const after = key && { micros: key[0], sku: key[1], location: key[2], version: key[3] }
    const isOfRow = key?.[1] === filter.sku && key?.[2] === filter.location
    const known = isOfRow && key?.[4] !== undefined ? { onHand: Number(key[4]), reserved: Number(key[5]) } : undefined
    const rows = await reads.list(async sql => {
      const listed = await listMovements(sql, filter, after, limit)
      const [newest] = listed
      const totals = newest && isWhole(filter) ? (known ?? (await totalsAfter(sql, newest))) : undefined
      return totals ? withTotals(listed, totals) : listed
    })
    return walkedPage<Told, z.output<typeof Movement>>(rows, {
      limit,
      looked: lookedAt(filter, limit),
      keyOf,
      itemOf: movementBody,
    })
  },
})

/** A movement as it is told: with the totals after it, where they are known. */
type Told = MovementRow & { readonly after?: Totals }

/** With the totals before the last movement of a page, those after the next one need not be computed again. */
function keyOf(row: Told): string[] {
  const key = [String(row.micros), row.sku, row.location, String(row.version)]
  const before = row.after && totalsBefore(row, row.after)
  return before ? [...key, String(before.onHand), String(before.reserved)] : key
}

const movementBody = (row: Told): z.output<typeof Movement> => {
  const { micros: _micros, position: _position, matches: _matches, at, after, kind, ...movement } = row
  const totals = after && { onHandAfter: after.onHand, reservedAfter: after.reserved }
  return { ...movement, kind: kind as keyof typeof kinds, ...totals, at: at.toISOString() }
}
