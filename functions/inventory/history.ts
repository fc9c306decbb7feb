import { z } from 'zod'
import { decodeCursor } from '../../shared/cursor.ts'
import { Count, Location, page, pageQuery, Reference, Sku, Timestamp } from '../../shared/fields.ts'
import { stockOperation } from './function.ts'
import { listMovements, lookedAt, type MovementRow } from './movements.ts'
import { walkedPage } from './walk.ts'

export const Movement = z
  .object({
    sku: Sku,
    location: Location,
    version: Count.meta({ description: 'The version that the stock had after it.' }),
    kind: z.string().meta({ description: 'What happened.', example: 'receive' }),
    onHandDelta: z.int().meta({ description: 'Units that came onto the shelf or left it.' }),
    reservedDelta: z.int().meta({ description: 'Units that were promised or no longer are.' }),
    reason: z.string().nullable(),
    reference: z.string().nullable(),
    actor: z.string().meta({ description: 'Who did it.' }),
    at: Timestamp,
  })
  .meta({ id: 'Movement' })

/** Of versions and of microseconds since 1970: 16 digits last until the year 2286. */
const digits = z.string().regex(/^\d{1,16}$/)

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
    kind: z
      .string()
      .regex(/^[a-z][a-z_-]{0,31}$/, 'the kind of a movement, such as receive')
      .optional(),
    actor: z.string().min(1).max(200).optional(),
    from: Timestamp.optional().meta({ description: 'The first moment of the time that is meant.' }),
    to: Timestamp.optional().meta({ description: 'The first moment after it.' }),
    ...pageQuery,
  }),
  output: page(Movement).meta({ id: 'MovementPage' }),
  async handle({ reads }, { limit, cursor, ...filter }) {
    const key = decodeCursor(cursor, z.tuple([digits, Sku, Location, digits]))
    const after = key && { micros: key[0], sku: key[1], location: key[2], version: key[3] }
    const rows = await reads.list(sql => listMovements(sql, filter, after, limit))
    return walkedPage(rows, {
      limit,
      looked: lookedAt(filter, limit),
      keyOf: ({ micros, sku, location, version }) => [String(micros), sku, location, String(version)],
      itemOf: movementBody,
    })
  },
})

const movementBody = (row: MovementRow): z.output<typeof Movement> => {
  const { micros: _micros, position: _position, matches: _matches, at, ...movement } = row
  return { ...movement, at: at.toISOString() }
}
