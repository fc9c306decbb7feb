import { z } from 'zod'
import { decodeCursor, pageOf } from '../../shared/cursor.ts'
import { idempotently } from '../../shared/data/idempotency.ts'
import { Rejected } from '../../shared/errors.ts'
import { Count, Location, page, pageQuery, Timestamp } from '../../shared/fields.ts'
import { entityTag } from '../../shared/function/operate.ts'
import { Reply } from '../../shared/function/operation.ts'
import { stockOperation } from './function.ts'
import { listLocations, putLocation, readLocation } from './location-rows.ts'

/** The names of the IANA database that this runtime knows; offsets are none. */
export const TimeZone = z
  .string()
  .max(64)
  .refine(isTimeZone, 'a time zone of the IANA database, like Europe/Zurich')
  .meta({ description: 'IANA time zone.', example: 'Europe/Zurich' })

function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

export const LocationBody = z
  .object({
    code: Location,
    name: z.string(),
    timeZone: z.string(),
    priority: z.int(),
    active: z.boolean(),
    version: Count.meta({ description: 'Counts the changes of the location; its ETag.' }),
    createdAt: Timestamp,
    updatedAt: Timestamp,
  })
  .meta({ id: 'Location' })

export const setLocation = stockOperation({
  id: 'location-set',
  route: 'PUT /v1/locations/{code}',
  summary: 'Describe a location',
  description:
    'Provided that it has not changed since it was read (If-Match); `"0"` for a new one. Stock may lie at a location that nobody described: it is in UTC, active and of priority 100. One that is not active is not chosen by a strategy; who names it can still use it.',
  allow: ['stock:write'],
  idempotent: true,
  ifMatch: true,
  problems: ['version_mismatch', 'precondition_required'],
  example: { name: 'Zurich shop', timeZone: 'Europe/Zurich', priority: 20 },
  input: z.strictObject({
    code: Location,
    name: z.string().trim().min(1).max(100),
    timeZone: TimeZone.default('UTC'),
    priority: z.int().min(0).max(10_000).default(100).meta({ description: 'The lower, the earlier it is taken from.' }),
    active: z.boolean().default(true),
  }),
  output: LocationBody,
  handle: ({ db, now }, input, call) =>
    idempotently(db.inventory, call, async tx => {
      const saved = await putLocation(tx, input, call.ifMatch ?? 0, now())
      if (saved) return Reply.of(200, bodyOf(saved), { etag: entityTag(saved.version) })
      const version = (await readLocation(tx, input.code))?.version ?? 0
      throw new Rejected('version_mismatch', `The version is ${version}.`, { version })
    }),
})

export const readOneLocation = stockOperation({
  id: 'location-read',
  route: 'GET /v1/locations/{code}',
  summary: 'Read a location',
  allow: ['stock:read', 'stock:write'],
  problems: ['not_found'],
  input: z.strictObject({ code: Location }),
  output: LocationBody,
  async handle({ db }, { code }) {
    const found = await readLocation(db.inventory.sql, code)
    if (!found) throw new Rejected('not_found', `Nobody has described the location ${code}.`)
    return Reply.of(200, bodyOf(found), { etag: entityTag(found.version) })
  },
})

export const listAllLocations = stockOperation({
  id: 'location-list',
  route: 'GET /v1/locations',
  summary: 'List locations',
  description: 'Those that somebody described, by their code, a page at a time.',
  allow: ['stock:read', 'stock:write'],
  input: z.strictObject(pageQuery),
  output: page(LocationBody).meta({ id: 'LocationPage' }),
  async handle({ db }, { limit, cursor }) {
    const [after] = decodeCursor(cursor, z.tuple([Location])) ?? []
    const rows = await listLocations(db.inventory.sql, after, limit + 1)
    return pageOf(rows.map(bodyOf), limit, ({ code }) => [code])
  },
})

const bodyOf = (row: Awaited<ReturnType<typeof listLocations>>[number]): z.output<typeof LocationBody> => ({
  ...row,
  createdAt: row.createdAt.toISOString(),
  updatedAt: row.updatedAt.toISOString(),
})
