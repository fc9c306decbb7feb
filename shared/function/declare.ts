import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import type { RejectedCode } from '../errors.ts'
import type { EventOf, EventType, Topic } from '../events/catalog.ts'
import type { Scope } from '../security/scopes.ts'
import type { Caller } from '../security/tokens.ts'
import type { Platform } from './host.ts'
import type { Deps, Use } from './resources.ts'

/**
 * A function as it declares itself. The host serves it; its Knative Service, KafkaSource, gateway route, OpenAPI and
 * AsyncAPI entries and environment are derived from the same declaration (`npm run manifests`).
 */
export interface TidemarkFunction {
  readonly name: string
  readonly summary: string
  readonly uses: readonly Use[]
  readonly config: z.ZodObject
  readonly scale: Scale
  readonly visibility: 'cluster-local' | 'public'
  readonly operations: readonly Operation[]
  readonly trigger?: EventTrigger
  readonly schedule?: Schedule
  /** Builds what the function keeps while it lives. Called once, before the first request. */
  readonly setup?: (deps: never) => unknown
  /** Takes every request itself, instead of operations. */
  readonly listener?: (deps: never, platform: Platform) => RawListener
  /** Takes every CloudEvent as it came, whatever its type. */
  readonly sink?: (deps: never) => EventSink
  /** Works until `signal` is aborted; a failure ends the process. */
  readonly run?: (deps: never, signal: AbortSignal) => Promise<void>
}

export interface Scale {
  /** Instances kept running. 0 scales to zero. */
  min: number
  max: number
  /** Requests one instance works on at once (Knative's containerConcurrency). */
  concurrency: number
  /** Seconds after which a request is given up (Knative's timeoutSeconds). */
  timeout: number
}

export const standardScale: Scale = { min: 0, max: 10, concurrency: 50, timeout: 30 }

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

export interface Operation<D = never, I extends z.ZodObject = z.ZodObject, O extends z.ZodType = z.ZodType> {
  readonly route: Route
  readonly id: string
  readonly summary: string
  readonly description?: string
  readonly allow: readonly Scope[]
  /** Path parameters are those named in the route; the rest is the query for GET and DELETE, else the body. */
  readonly input: I
  readonly output: O
  readonly status: number
  /** Other statuses with the same body, and what each means. */
  readonly also?: Readonly<Record<number, string>>
  readonly problems: readonly RejectedCode[]
  readonly idempotent: boolean
  readonly ifMatch: boolean
  /** Bytes a body may have. */
  readonly bodyLimit: number
  /** Milliseconds from the first byte to the answer. */
  readonly deadline: number
  readonly example?: unknown
  handle(deps: D, input: z.output<I>, call: Call): Promise<z.output<O> | Reply<z.output<O>>>
}

type OperationDefinition<D, I extends z.ZodObject, O extends z.ZodType> = Pick<
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
    ifMatch: false,
    bodyLimit: 1024 * 1024,
    deadline: 10_000,
    ...definition,
  })

interface Common<U extends readonly Use[], C extends z.ZodObject> {
  name: string
  uses: U
  config?: C
  scale?: Partial<Scale>
}

type EmptyConfig = z.ZodObject<Record<never, never>>

/** A function of one HTTP operation. */
export function http<
  const U extends readonly Use[],
  I extends z.ZodObject,
  O extends z.ZodType,
  C extends z.ZodObject = EmptyConfig,
>(definition: Common<U, C> & OperationDefinition<Deps<U, z.output<C>>, I, O>): TidemarkFunction {
  const { name, uses, config, scale, ...rest } = definition
  return service({
    name,
    summary: rest.summary,
    uses,
    ...(config && { config }),
    ...(scale && { scale }),
    operations: [operation<Deps<U, z.output<C>>>()({ id: name, ...rest })],
  })
}

export interface EventTrigger {
  readonly topic: Topic
  readonly types: readonly EventType[]
  /** `ordered`: one in flight a partition. `unordered`: many, for handlers that drop what is stale by version. */
  readonly order: 'ordered' | 'unordered'
  readonly delivery: Delivery
  /** Milliseconds one event may take. */
  readonly deadline: number
  handle(deps: never, event: EventOf<EventType>): Promise<void>
}

/** KafkaSource's delivery fields. Every one is always written: its defaults apply only when all are absent. */
export interface Delivery {
  retry: number
  backoffPolicy: 'exponential' | 'linear'
  /** ISO 8601 duration. Exponential waits backoffDelay × 2ⁿ from n = 1. */
  backoffDelay: string
  timeout: string
}

export const standardDelivery: Delivery = {
  retry: 8,
  backoffPolicy: 'exponential',
  backoffDelay: 'PT0.2S',
  timeout: 'PT30S',
}

/** A function that handles CloudEvents of some types from one topic. */
export function event<
  const U extends readonly Use[],
  const T extends EventType,
  C extends z.ZodObject = EmptyConfig,
  S = unknown,
>(
  definition: Common<U, C> & {
    summary: string
    topic: Topic
    types: readonly T[]
    order?: EventTrigger['order']
    delivery?: Partial<Delivery>
    deadline?: number
    setup?: (deps: Deps<U, z.output<C>>) => S | Promise<S>
    handle(deps: Deps<U, z.output<C>> & S, event: EventOf<T>): Promise<void>
  },
): TidemarkFunction {
  const { topic, types, order, delivery, deadline, handle, setup, ...rest } = definition
  return {
    ...service({ ...rest, uses: [...rest.uses, 'registry'] as const, operations: [] }),
    ...(setup && { setup: setup as NonNullable<TidemarkFunction['setup']> }),
    trigger: {
      topic,
      types,
      order: order ?? 'ordered',
      delivery: { ...standardDelivery, ...delivery },
      deadline: deadline ?? 25_000,
      handle: handle as EventTrigger['handle'],
    },
  }
}

export interface Schedule {
  /** Five fields, UTC. */
  readonly cron: string
  readonly deadline: number
  handle(deps: never): Promise<void>
}

/** A function that runs by the clock (PingSource). */
export function schedule<const U extends readonly Use[], C extends z.ZodObject = EmptyConfig>(
  definition: Common<U, C> & {
    summary: string
    cron: string
    deadline?: number
    handle(deps: Deps<U, z.output<C>>): Promise<void>
  },
): TidemarkFunction {
  const { cron, deadline, handle, ...rest } = definition
  return {
    ...service({ ...rest, operations: [] }),
    schedule: { cron, deadline: deadline ?? 25_000, handle: handle as Schedule['handle'] },
  }
}

/** Settles when the event is safe: only then is it acknowledged. */
export type EventSink = (event: { headers: Readonly<Record<string, string>>; body: Buffer }) => Promise<void>

export type RawListener = (request: IncomingMessage, response: ServerResponse) => Promise<void>

/** A function of several operations, or one that listens or runs by itself. */
export function service<const U extends readonly Use[], C extends z.ZodObject = EmptyConfig, S = unknown>(
  definition: Common<U, C> & {
    summary: string
    visibility?: TidemarkFunction['visibility']
    setup?: (deps: Deps<U, z.output<C>>) => S | Promise<S>
    operations?: readonly Operation<Deps<U, z.output<C>> & S, z.ZodObject, z.ZodType>[]
    listener?: (deps: Deps<U, z.output<C>> & S, platform: Platform) => RawListener
    sink?: (deps: Deps<U, z.output<C>> & S) => EventSink
    run?: (deps: Deps<U, z.output<C>> & S, signal: AbortSignal) => Promise<void>
  },
): TidemarkFunction {
  const { scale, config, operations, visibility, ...rest } = definition
  return {
    ...(rest as Omit<typeof rest, 'setup' | 'listener' | 'sink' | 'run'> &
      Pick<TidemarkFunction, 'setup' | 'listener' | 'sink' | 'run'>),
    config: config ?? z.object({}),
    scale: { ...standardScale, ...scale },
    visibility: visibility ?? 'cluster-local',
    operations: (operations ?? []) as unknown as readonly Operation[],
  }
}
