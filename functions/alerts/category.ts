import { z } from 'zod'

/** What SKUs have in common, in the words of the shop. No CSV has to quote it. */
export const Category = z
  .string()
  .trim()
  .toLowerCase()
  .regex(
    /^[a-z0-9][a-z0-9 ._/&-]{0,63}$/,
    '1 to 64 letters, digits, spaces, dots, slashes, ampersands, underscores or hyphens, starting with a letter or digit',
  )
  .meta({ description: 'A category of SKUs. Case does not matter; answers are in lower case.', example: 'kitchen' })
