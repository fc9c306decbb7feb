import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Caller } from '../security/tokens.ts'
import { readBody, requireType } from './body.ts'
import { callOf, checkedInput, type OperationRequest } from './operate.ts'
import { type Operation, Reply, type Signed, type SignedCall } from './operation.ts'
import { sendText } from './problem.ts'

/** Who is known by a signature has no token, so neither a name nor a scope: what the signature proves is the handler's to say. */
const nobody: Caller = { subject: 'signed', client: 'signed', scopes: new Set() }

/** Serves an operation that a signature opens: the handler is given the bytes, of which nothing has been believed yet. */
export async function serveSigned(
  operation: Operation & { readonly signed: Signed },
  deps: unknown,
  exchange: { request: IncomingMessage; response: ServerResponse } & Pick<OperationRequest, 'params' | 'query'>,
): Promise<void> {
  const { request, response, params, query } = exchange
  requireType(request, operation.signed.takes)
  const raw = await readBody(request, operation.bodyLimit)
  const input = checkedInput(operation, { ...query, ...params })
  const { headers } = request
  const call: SignedCall = {
    ...callOf(operation, { params, query, headers, raw, json: undefined }, nobody),
    raw,
    headers,
  }
  const result: unknown = await operation.handle(deps as never, input as never, call)
  const reply = result instanceof Reply ? result : Reply.of(operation.status, result)
  for (const [name, value] of Object.entries(reply.headers)) response.setHeader(name, value)
  sendText(response, reply.status, reply.text, 'application/json')
}
