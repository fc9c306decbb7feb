import { createHash } from 'node:crypto'
import type { z } from 'zod'
import { Rejected } from '../errors.ts'
import type { Caller } from '../security/tokens.ts'
import { type Call, type Operation, Reply } from './operation.ts'

/** A request as an operation needs it, whichever server read it. */
export interface OperationRequest {
  readonly params: Readonly<Record<string, unknown>>
  readonly query: Readonly<Record<string, unknown>>
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly raw: Buffer
  readonly json: unknown
}

/** Checks the input against the schema, lets the operation handle it, and gives the answer its status. */
export async function operate(
  operation: Operation,
  deps: unknown,
  request: OperationRequest,
  caller: Caller,
): Promise<Reply<unknown>> {
  const input = checkedInput(operation, givenTo(operation, request))
  const result = await operation.handle(deps as never, input as never, callOf(operation, request, caller))
  return result instanceof Reply ? result : Reply.of(operation.status, result)
}

function givenTo(operation: Operation, request: OperationRequest): object {
  const hasBody = !operation.streams && !/^(GET|DELETE) /.test(operation.route)
  if (hasBody && (typeof request.json !== 'object' || request.json === null || Array.isArray(request.json))) {
    throw new Rejected('invalid_input', 'The body must be a JSON object.', {
      errors: [{ field: '', message: 'expected an object' }],
    })
  }
  const rest = hasBody ? (request.json as object) : request.query
  return { ...rest, ...request.params }
}

/** The input in its canonical form. Throws Rejected that names what does not fit. */
export function checkedInput<I extends z.ZodObject>(operation: { readonly input: I }, given: object): z.output<I> {
  const parsed = operation.input.safeParse(given)
  if (parsed.success) return parsed.data
  throw new Rejected('invalid_input', describe(parsed.error.issues), {
    errors: parsed.error.issues.flatMap(fieldErrors).slice(0, toldErrors),
  })
}

/** At most this many field errors are told: a body of 5,000 wrong lines must not be answered with 5,000 errors. */
const toldErrors = 20

const describe = (issues: readonly z.core.$ZodIssue[]) => {
  const [first] = fieldErrors(issues[0] as z.core.$ZodIssue)
  return first?.field ? `${first.field}: ${first.message}` : (first?.message ?? '')
}

function fieldErrors(issue: z.core.$ZodIssue): { field: string; message: string }[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map(key => ({ field: fieldName([...issue.path, key]), message: 'This field is not known.' }))
  }
  return [{ field: fieldName(issue.path), message: issue.message }]
}

/** `lines[2].quantity` */
const fieldName = (path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (name, part) => (typeof part === 'number' ? `${name}[${part}]` : name ? `${name}.${String(part)}` : String(part)),
    '',
  )

const keyPattern = /^[\x21-\x7e]{1,200}$/

export function callOf(operation: Operation, request: OperationRequest, caller: Caller): Call {
  const key = operation.idempotent ? single(request.headers['idempotency-key']) : undefined
  if (key !== undefined && !keyPattern.test(key)) {
    throw new Rejected('invalid_input', 'Idempotency-Key: 1 to 200 printable characters.', {
      errors: [{ field: 'Idempotency-Key', message: '1 to 200 printable characters without spaces' }],
    })
  }
  return {
    ...caller,
    ...(key !== undefined && { idempotencyKey: `${caller.client}:${key}` }),
    fingerprint: key === undefined ? '' : fingerprint(operation, request),
    ...(operation.ifMatch && { ifMatch: version(request.headers['if-match']) }),
    ...(/\bno-cache\b/i.test(single(request.headers['cache-control']) ?? '') && { noCache: true }),
  }
}

function fingerprint(operation: Operation, request: OperationRequest): string {
  return createHash('sha256')
    .update(`${operation.id} ${JSON.stringify(request.params)} ${request.headers['if-match'] ?? ''} `)
    .update(request.raw)
    .digest('base64url')
}

/** Our entity tags are the row's version: `"12"`. */
function version(header: string | string[] | undefined): number {
  const text = single(header)
  if (text === undefined) throw new Rejected('precondition_required')
  const match = /^"(\d{1,15})"$/.exec(text)
  if (!match) {
    throw new Rejected('invalid_input', 'If-Match: expected one ETag as it was read, like "12".', {
      errors: [{ field: 'If-Match', message: 'one ETag as it was read, like "12"' }],
    })
  }
  return Number(match[1])
}

const single = (header: string | string[] | undefined): string | undefined => (Array.isArray(header) ? header[0] : header)

export const entityTag = (version: number): string => `"${version}"`
