import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { z } from 'zod'
import type { RejectedCode } from '../errors.ts'
import type { Scope } from '../security/scopes.ts'
import type { Caller } from '../security/tokens.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
export type Route = `${Method} /${string}`

/** What a handler knows of the request beside its input. */
export interface Call extends Caller {
  /** The Idempotency-Key, made unique by the client that sent it; absent when none was sent. */
  readonly idempotencyKey?: string
  /** SHA-256 over the operation and its input: the same key with another fingerprint is another request. */
  readonly fingerprint: string
  /** The version named by If-Match; absent when none was sent. */
  readonly ifMatch?: number
  /** `Cache-Control: no-cache`: the caller wants it from its source. */
  readonly noCache?: boolean
}

/** An answer with a status or headers of its own. */
export class Reply<T> {
  readonly status: number
  /** The body as JSON text. */
  readonly text: string
  readonly headers: Readonly<Record<string, string>>
  declare readonly bodyType?: T

  private constructor(status: number, text: string, headers: Readonly<Record<string, string>>) {
    this.status = status
    this.text = text
    this.headers = headers
  }

  static of<T>(status: number, body: T, headers: Readonly<Record<string, string>> = {}): Reply<T> {
    return new Reply<T>(status, JSON.stringify(body), headers)
  }

  /** A body that has been made into text already, to be remembered. */
  static ofText<T>(status: number, text: string, headers: Readonly<Record<string, string>> = {}): Reply<T> {
    return new Reply<T>(status, text, headers)
  }
}

/** What a handler of a streaming operation knows beside. */
export interface StreamCall extends Call {
  /** The body as it comes: what the handler has not read yet waits at the client. */
  readonly body: Readable
  readonly headers: IncomingHttpHeaders
  /** Aborted when nobody waits for the answer any more: the client went away, or the deadline has passed. */
  readonly signal: AbortSignal
  /** Sets a header of the answer, whatever the answer will be. */
  tell(name: string, value: string): void
}

/** What the handler of a signed operation knows beside: it checks the signature before it believes anything of the body. */
export interface SignedCall extends Call {
  /** The body as it came: signatures are made over its bytes. */
  readonly raw: Buffer
  readonly headers: IncomingHttpHeaders
}

/**
 * An operation that a signature opens and no token: providers call it, which have none of ours. Its input is the path and the query alone;
 * the gateway limits it by the caller's address. Everything else needs a token.
 */
export interface Signed {
  /** The header, or the member of the body, that carries the signature. */
  readonly by: string
  /** Media types that the body may have. */
  readonly takes: readonly string[]
}

/** An answer that is sent while it is made, as fast as the client takes it. */
export class StreamReply {
  readonly status: number
  readonly body: Readable
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, body: Readable, headers: Readonly<Record<string, string>> = {}) {
    this.status = status
    this.body = body
    this.headers = headers
  }
}

/** What an operation streams, instead of one JSON text each way. Its input is then the path and the query alone. */
export interface Streaming {
  /** Media types that a body may have; without any, the request has no body that is read. */
  readonly takes: readonly string[]
  /** The media type of an answer that is a StreamReply; what else is answered is JSON. */
  readonly gives?: string
}

export interface Operation<D = never, I extends z.ZodObject = z.ZodObject, O extends z.ZodType = z.ZodType> {
  readonly route: Route
  readonly id: string
  readonly summary: string
  readonly description?: string
  readonly allow: readonly Scope[]
  /** Path parameters are those named in the route; the rest is the query for GET and DELETE, else the body. */
  readonly input: I
  /** The input as OpenAPI tells it, where the handler judges parts of it one by one and `input` lets them pass. */
  readonly describedInput?: z.ZodObject
  readonly output: O
  readonly streams?: Streaming
  readonly signed?: Signed
  readonly status: number
  /** Other statuses with the same body, and what each means. */
  readonly also?: Readonly<Record<number, string>>
  readonly problems: readonly RejectedCode[]
  readonly idempotent: boolean
  /** Refused while the function is saturated: new work, which may come again, and not what finishes or takes back older work. */
  readonly shed: boolean
  readonly ifMatch: boolean
  /** Bytes a body may have. */
  readonly bodyLimit: number
  /** Milliseconds from the first byte to the answer. */
  readonly deadline: number
  readonly example?: unknown
  handle(deps: D, input: z.output<I>, call: Call): Promise<z.output<O> | Reply<z.output<O>>>
}

export type OperationDefinition<D, I extends z.ZodObject, O extends z.ZodType> = Pick<
  Operation<D, I, O>,
  'route' | 'summary' | 'allow' | 'input' | 'output' | 'handle'
> &
  Partial<Operation<D, I, O>>

/** One operation of a function that serves several. The function's own type of dependencies comes first: `operation<Stock>()({…})`. */
export const operation =
  <D>() =>
  <I extends z.ZodObject, O extends z.ZodType>(
    definition: OperationDefinition<D, I, O> & { id: string },
  ): Operation<D, I, O> => ({
    status: 200,
    problems: [],
    idempotent: false,
    shed: false,
    ifMatch: false,
    bodyLimit: 1024 * 1024,
    deadline: 10_000,
    ...definition,
  })

/** One operation that reads its body, or writes its answer, while it works: `streamOperation<Stock>()({…})`. */
export const streamOperation =
  <D>() =>
  <I extends z.ZodObject, O extends z.ZodType>(
    definition: Omit<OperationDefinition<D, I, O>, 'handle'> & {
      id: string
      streams: Streaming
      handle(deps: D, input: z.output<I>, call: StreamCall): Promise<z.output<O> | Reply<z.output<O>> | StreamReply>
    },
  ): Operation<D, I, O> =>
    // The host calls it with what `streams` promises.
    operation<D>()(definition as unknown as OperationDefinition<D, I, O> & { id: string })

/** One operation that a signature opens and no token: `signedOperation<Deps>()({…})`. */
export const signedOperation =
  <D>() =>
  <I extends z.ZodObject, O extends z.ZodType>(
    definition: Omit<OperationDefinition<D, I, O>, 'handle' | 'allow'> & {
      id: string
      signed: Signed
      handle(deps: D, input: z.output<I>, call: SignedCall): Promise<z.output<O> | Reply<z.output<O>>>
    },
  ): Operation<D, I, O> =>
    // The host calls it with what `signed` promises.
    operation<D>()({ ...definition, allow: [] } as unknown as OperationDefinition<D, I, O> & { id: string })
