import { z } from 'zod'

/**
 * A stock keeping unit. Codes that differ in case only are the same product in every catalogue we have seen, and selling one as
 * two would oversell both: the canonical form is upper case.
 */
export const Sku = z
  .string()
  .trim()
  .toUpperCase()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$/,
    '1 to 64 letters, digits, spaces, dots, underscores or hyphens, starting with a letter or digit',
  )
  .meta({ description: 'Stock keeping unit. Case does not matter; answers are in upper case.', example: '85123A' })

export const Location = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, '1 to 32 lower-case letters, digits or hyphens')
  .meta({ description: 'A place that holds stock.', example: 'main' })

export const DefaultedLocation = Location.default('main')

/** Far above any warehouse, far below what a double counts exactly. */
const largest = 1_000_000_000

export const Quantity = z.int().min(1).max(largest).meta({ description: 'Whole units.', example: 6 })
export const Count = z.int().min(0).max(largest)
export const Delta = z
  .int()
  .min(-largest)
  .max(largest)
  .refine(value => value !== 0, 'must not be 0')
export const Money = z
  .int()
  .min(0)
  .max(Number.MAX_SAFE_INTEGER)
  .meta({ description: 'Minor units of the currency.', example: 255 })
export const Id = z.uuid()
export const Reference = z
  .string()
  .trim()
  .min(1)
  .max(100)
  .meta({ description: "The caller's own name for it.", example: 'INV-536365' })
export const Timestamp = z.iso.datetime({ offset: true })

/** Lines one request may carry: the largest orders of real shops have over a thousand. */
export const lineLimit = 5_000
export const lines = <T extends z.ZodType>(line: T) => z.array(line).min(1).max(lineLimit)

export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(1_000).default(100).meta({ description: 'Items a page.' }),
  cursor: z.string().max(300).optional().meta({ description: '`next` of the page before.' }),
}

export const page = <T extends z.ZodType>(item: T) =>
  z.object({
    items: z.array(item),
    next: z.string().nullable().meta({ description: 'The cursor of the next page; null on the last.' }),
  })
