/**
 * Every failure a caller can meet, in two families.
 *
 * *Rejected*: the caller must change something. Never retried; an event that is rejected is dead-lettered at once.
 * *Transient*: the same call may succeed later. Answered 503 with Retry-After, or redelivered.
 *
 * Codes are stable: clients branch on them. The HTTP status stands here once and is applied at the edge.
 */
const rejectedCodes = {
  malformed_request: [400, 'The request cannot be read.'],
  unauthenticated: [401, 'A valid bearer token is needed.'],
  invalid_signature: [401, 'The signature does not fit.'],
  forbidden: [403, 'The token does not carry a scope that this operation needs.'],
  not_found: [404, 'There is nothing here.'],
  method_not_allowed: [405, 'This path does not know that method.'],
  insufficient_stock: [409, 'There is not enough stock for all lines.'],
  reservation_not_open: [409, 'The reservation is no longer open.'],
  reservation_expired: [409, 'The reservation expired before it was committed.'],
  exceeds_outstanding: [409, 'More units than are left of it.'],
  transfer_not_in_transit: [409, 'Nothing of the transfer is in transit any more.'],
  capacity_exceeded: [409, 'There is not enough room for all lines.'],
  limit_in_use: [409, 'More is promised already than the new limit allows.'],
  count_conflict: [409, 'Another open count covers some of these SKUs.'],
  count_not_open: [409, 'The count, or a line of it, is closed.'],
  import_running: [409, 'This import is being worked on already.'],
  alert_resolved: [409, 'The alert is resolved already.'],
  silence_expired: [409, 'The silence is over: make a new one.'],
  order_not_cancellable: [409, 'The order can no longer be cancelled.'],
  version_mismatch: [412, 'The resource has changed since it was read.'],
  body_too_large: [413, 'The request body is too large.'],
  unsupported_media_type: [415, 'The content type is not supported.'],
  invalid_input: [422, 'The request does not fit the schema.'],
  idempotency_key_reused: [422, 'This idempotency key was used with another request.'],
  precondition_required: [428, 'This write needs an If-Match header.'],
  rate_limited: [429, 'Too many requests.'],
} as const satisfies Record<string, readonly [number, string]>

const transientCodes = {
  internal: [500, 'Something failed on our side.'],
  upstream_failed: [502, 'A function that this one stands on gave no usable answer.'],
  unavailable: [503, 'A part that this needs is not available now.'],
  overloaded: [503, 'Too much work at once.'],
  deadline_exceeded: [504, 'The work did not finish within its deadline.'],
} as const satisfies Record<string, readonly [number, string]>

export type RejectedCode = keyof typeof rejectedCodes
export type TransientCode = keyof typeof transientCodes
export type Code = RejectedCode | TransientCode

/** Members that a problem may carry beside the standard ones (RFC 9457 section 3.2). */
export type ProblemDetails = Readonly<Record<string, unknown>>

export class Rejected extends Error {
  override readonly name = 'Rejected'
  readonly code: RejectedCode
  readonly details: ProblemDetails

  constructor(code: RejectedCode, message?: string, details: ProblemDetails = {}) {
    super(message ?? rejectedCodes[code][1])
    this.code = code
    this.details = details
  }
}

export class Transient extends Error {
  override readonly name = 'Transient'
  readonly code: TransientCode
  /** Seconds after which a retry makes sense. */
  readonly retryAfter: number

  constructor(code: TransientCode, message?: string, options: { cause?: unknown; retryAfter?: number } = {}) {
    super(message ?? transientCodes[code][1], options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.retryAfter = options.retryAfter ?? 1
  }
}

export const statusOf = (code: Code): number =>
  code in rejectedCodes ? rejectedCodes[code as RejectedCode][0] : transientCodes[code as TransientCode][0]

export const titleOf = (code: Code): string =>
  code in rejectedCodes ? rejectedCodes[code as RejectedCode][1] : transientCodes[code as TransientCode][1]

export const isCode = (code: unknown): code is Code =>
  typeof code === 'string' && (Object.hasOwn(rejectedCodes, code) || Object.hasOwn(transientCodes, code))

export const isRejectedCode = (code: unknown): code is RejectedCode =>
  typeof code === 'string' && Object.hasOwn(rejectedCodes, code)

export const allCodes = [...Object.keys(rejectedCodes), ...Object.keys(transientCodes)] as Code[]
