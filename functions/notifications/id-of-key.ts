import { createHash } from 'node:crypto'
import type { Call } from '../../shared/function/operation.ts'

/**
 * The id of what a request makes: it follows from its idempotency key (UUIDv8), so that the same request again finds what the first one
 * made. The answer is not kept beside it, for it holds a person's name.
 */
export function idOf(what: string, call: Call, newId: () => string): string {
  if (call.idempotencyKey === undefined) return newId()
  const hash = createHash('sha256').update(`${what} ${call.idempotencyKey}`).digest()
  hash[6] = ((hash[6] as number) & 0x0f) | 0x80
  hash[8] = ((hash[8] as number) & 0x3f) | 0x80
  const hex = hash.toString('hex', 0, 16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
