/**
 * Codes that move money or paper and no goods: postage (POST, DOT), carriage (C2), manual corrections (M, also m), discount (D),
 * samples (S, booked as money), bank and marketplace charges, a charity's commission (CRUK), bad debt (B), and PADS, a
 * free extra at 0.001 that nobody counts. Gift vouchers (`gift_0001_20`) are money too.
 * `DCGS…` codes look as odd but are goods (party bags, an ashtray, a dog collar) sold by the piece, so they stay.
 */
const NOT_PRODUCTS = new Set(['POST', 'DOT', 'C2', 'M', 'D', 'S', 'BANK CHARGES', 'AMAZONFEE', 'CRUK', 'PADS', 'B'])

/** What Tidemark takes as a SKU: 1 to 64 characters, upper case. */
const SKU = /^[A-Z0-9][A-Z0-9 ._-]{0,63}$/

export type Code =
  | { readonly sku: string }
  | { readonly refused: 'no-code' | 'bad-debt' | `not-a-product:${string}` | 'unreadable-code' }

/** `85123a` and `85123A` are one product: the canonical SKU is upper case. */
export function readCode(text: string): Code {
  const code = text.trim().toUpperCase()
  if (code === '') return { refused: 'no-code' }
  if (code === 'B') return { refused: 'bad-debt' }
  if (code.startsWith('GIFT_')) return { refused: 'not-a-product:GIFT VOUCHER' }
  if (NOT_PRODUCTS.has(code)) return { refused: `not-a-product:${code}` }
  return SKU.test(code) ? { sku: code } : { refused: 'unreadable-code' }
}

/** GBP to pence. The text has at most three decimals; the detour by toFixed keeps 2.675 from becoming 267. */
export function toPence(price: number): number {
  return Math.round(Number((price * 100).toFixed(4)))
}
