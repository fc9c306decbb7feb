import type { IncomingMessage, ServerResponse } from 'node:http'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Rejected, Transient } from '../errors.ts'
import type { Caller } from '../security/tokens.ts'
import { requireType, tooLarge } from './body.ts'
import type { Notes } from './instrument.ts'
import { callOf, checkedInput, type OperationRequest } from './operate.ts'
import { type Operation, Reply, type StreamCall, type Streaming, StreamReply } from './operation.ts'
import { sendText } from './problem.ts'

/**
 * Serves an operation whose body or answer is not held in memory. Both ways are as fast as the slower end: nothing is read from
 * the client before the handler asks for it, and nothing is asked of the handler's answer before the client has taken what there is.
 */
export async function serveStream(
  operation: Operation & { readonly streams: Streaming },
  deps: unknown,
  exchange: { request: IncomingMessage; response: ServerResponse; caller: Caller; notes: Notes } & Pick<
    OperationRequest,
    'params' | 'query'
  >,
): Promise<void> {
  const { request, response, caller, notes, params, query } = exchange
  const { takes, gives } = operation.streams
  const input = checkedInput(operation, { ...query, ...params })
  if (takes.length > 0) requireType(request, takes)
  const asked: OperationRequest = {
    params,
    query,
    headers: request.headers,
    raw: Buffer.from(JSON.stringify(query)),
    json: undefined,
  }
  const gone = new AbortController()
  const body = limited(request, operation.bodyLimit)
  response.once('close', () => {
    gone.abort()
    // A handler that waits for more of the body would wait as long as the client keeps its connection.
    body.destroy(new Transient('deadline_exceeded', 'Nobody waits for the answer any more.'))
  })
  const call: StreamCall = {
    ...callOf(operation, asked, caller),
    body,
    headers: request.headers,
    signal: gone.signal,
    tell: (name, value) => void (response.headersSent || response.setHeader(name, value)),
  }
  try {
    const result: unknown = await operation.handle(deps as never, input as never, call)
    if (response.headersSent) return
    if (result instanceof StreamReply) await send(result, response, gives, gone.signal, notes)
    else sendReply(result instanceof Reply ? result : Reply.of(operation.status, result), response)
  } finally {
    discard(request, body)
  }
}

function limited(request: IncomingMessage, limit: number): Transform {
  let size = 0
  const body = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length
      if (size > limit) done(tooLarge(limit))
      else done(null, chunk)
    },
  })
  const broken = () => body.destroy(new Rejected('malformed_request', 'The request ended before its body did.'))
  request.once('aborted', broken)
  request.once('error', broken)
  // Who stops reading learns of it by what the handler does next, not by an event that nobody listens to.
  body.on('error', () => {})
  request.pipe(body)
  return body
}

/** What nobody read is thrown away as it comes: a client that is still sending reads no answer before it has sent all. */
function discard(request: IncomingMessage, body: Transform): void {
  request.unpipe(body)
  body.destroy()
  request.resume()
}

function sendReply(reply: Reply<unknown>, response: ServerResponse): void {
  for (const [name, value] of Object.entries(reply.headers)) response.setHeader(name, value)
  sendText(response, reply.status, reply.text, 'application/json')
}

async function send(
  reply: StreamReply,
  response: ServerResponse,
  type: string | undefined,
  signal: AbortSignal,
  notes: Notes,
): Promise<void> {
  response.writeHead(reply.status, { ...(type && { 'content-type': type }), ...reply.headers })
  try {
    await pipeline(reply.body, response, { signal })
  } catch (error) {
    // The status is out already: that the answer is cut short is seen by its missing end, and in the log.
    notes.cut = signal.aborted ? 'nobody waited any more' : (error as Error).message
    response.destroy()
  }
}
