import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import type { EventOf, EventType, Topic } from '../events/catalog.ts'
import type { Platform } from './host.ts'
import { type Operation, type OperationDefinition, operation } from './operation.ts'
import type { Deps, Use } from './resources.ts'

/**
 * A function as it declares itself. The host serves it; its Knative Service, KafkaSource, gateway route, OpenAPI and
 * AsyncAPI entries and environment are derived from the same declaration (`npm run manifests`).
 */
export interface TidemarkFunction {
  readonly name: string
  readonly summary: string
  readonly uses: readonly Use[]
  /** Services outside the cluster that it speaks to. Without any, the network lets it reach none. */
  readonly providers: readonly string[]
  readonly config: z.ZodObject
  readonly scale: Scale
  readonly visibility: 'cluster-local' | 'public'
  readonly operations: readonly Operation[]
  readonly trigger?: EventTrigger
  readonly schedule?: Schedule
  /** Builds what the function keeps while it lives. Called once, before the first request. */
  readonly setup?: (deps: never) => unknown
  /** Whether it has more work than it can do in time: it then refuses the operations that are `shed`. Asked with every such request. */
  readonly saturated?: (deps: never) => boolean
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
  /** Requests at once that the autoscaler aims at for an instance. Knative's own is 70 % of `concurrency`, or 100 where that is unlimited. */
  target?: number
  /** Seconds that demand must stay low before an instance is taken away: for bursts with short pauses. */
  scaleDownDelay?: number
  /** Seconds that the last instance stays after its last request: for events that trickle. */
  retention?: number
  /** MiB an instance may use. More ends it. */
  memory?: number
}

export const standardScale: Scale = { min: 0, max: 10, concurrency: 50, timeout: 30 }

interface Common<U extends readonly Use[], C extends z.ZodObject> {
  name: string
  uses: U
  providers?: readonly string[]
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
  const { name, uses, providers, config, scale, ...rest } = definition
  return service({
    name,
    summary: rest.summary,
    uses,
    ...(providers && { providers }),
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
export function schedule<const U extends readonly Use[], C extends z.ZodObject = EmptyConfig, S = unknown>(
  definition: Common<U, C> & {
    summary: string
    cron: string
    deadline?: number
    setup?: (deps: Deps<U, z.output<C>>) => S | Promise<S>
    handle(deps: Deps<U, z.output<C>> & S): Promise<void>
  },
): TidemarkFunction {
  const { cron, deadline, handle, setup, ...rest } = definition
  return {
    ...service({ ...rest, operations: [] }),
    ...(setup && { setup: setup as NonNullable<TidemarkFunction['setup']> }),
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
    saturated?: (deps: Deps<U, z.output<C>> & S) => boolean
    listener?: (deps: Deps<U, z.output<C>> & S, platform: Platform) => RawListener
    sink?: (deps: Deps<U, z.output<C>> & S) => EventSink
    run?: (deps: Deps<U, z.output<C>> & S, signal: AbortSignal) => Promise<void>
  },
): TidemarkFunction {
  const { scale, config, operations, visibility, providers, ...rest } = definition
  return {
    ...(rest as Omit<typeof rest, 'setup' | 'saturated' | 'listener' | 'sink' | 'run'> &
      Pick<TidemarkFunction, 'setup' | 'saturated' | 'listener' | 'sink' | 'run'>),
    providers: providers ?? [],
    config: config ?? z.object({}),
    scale: { ...standardScale, ...scale },
    visibility: visibility ?? 'cluster-local',
    operations: (operations ?? []) as unknown as readonly Operation[],
  }
}
