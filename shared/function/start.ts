import { v7 as uuidv7 } from 'uuid'
import { z } from 'zod'
import { parseConfig, setting } from '../config.ts'
import { Transient } from '../errors.ts'
import { createLog } from '../telemetry/log.ts'
import { Metrics } from '../telemetry/metrics.ts'
import { spanSink } from '../telemetry/trace.ts'
import type { TidemarkFunction } from './declare.ts'
import { closeIdleConnections } from './exchange.ts'
import { host } from './host.ts'
import { type Deps, type Resource, resourceKinds, type Settings, splitUse } from './resources.ts'
import { serve } from './serve.ts'

/** Variables that every function knows. */
export const platformConfig = z.object({
  HOST: z.string().default('0.0.0.0'),
  PORT: setting.port(8080),
  METRICS_PORT: setting.port(9090),
  LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  /** Milliseconds that requests in flight are given after SIGTERM. */
  DRAIN_DEADLINE: setting.milliseconds(25_000),
  OTEL_EXPORTER_OTLP_ENDPOINT: setting.url().optional(),
})

/** Variables of a function whose operations a token opens. */
export const tokenConfig = z.object({
  JWKS_URL: setting.url(),
  TOKEN_ISSUER: z.string().min(1),
  TOKEN_AUDIENCE: z.string().min(1).default('tidemark'),
})

export const needsToken = (fn: TidemarkFunction): boolean => fn.operations.length > 0 || fn.listener !== undefined

/** Everything a function reads from its environment. */
export function configOf(fn: TidemarkFunction) {
  const shapes = fn.uses.map(splitUse).map(({ kind, name }) => resourceKinds[kind].settings(name))
  return z.object({
    ...platformConfig.shape,
    ...(needsToken(fn) && tokenConfig.shape),
    ...Object.assign({}, ...shapes),
    ...fn.config.shape,
  })
}

/**
 * Options of Node for a function: one that is pinned warm lives long enough for a larger young generation to pay, for what a request
 * allocates is dead before it is moved.
 */
export const nodeOptionsOf = (fn: TidemarkFunction): string | undefined =>
  fn.scale.min > 0 ? '--max-semi-space-size=64' : undefined

export interface Running {
  readonly port: number
  readonly metricsPort: number
  /** Answers what is in flight, then closes everything. */
  stop(): Promise<void>
  /** Settles when the function ended by itself: a `run` that failed. */
  readonly ended: Promise<never>
}

/** Config → dependencies → serve. */
export async function start(fn: TidemarkFunction, env: NodeJS.ProcessEnv): Promise<Running> {
  const config = parseConfig(configOf(fn), env) as z.output<typeof platformConfig> & Settings
  const log = createLog({ service: fn.name, level: config.LOG_LEVEL })
  const metrics = new Metrics(fn.name)
  const spans = spanSink({
    endpoint: config.OTEL_EXPORTER_OTLP_ENDPOINT,
    service: fn.name,
    failed: error => log.error({ cause: (error as Error).message }, 'spans cannot be exported'),
  })
  const opened = await openResources(fn, config, metrics)
  const deps = { ...opened.deps, config, now: () => new Date(), newId: uuidv7, log, metrics } as unknown as Deps
  const own = await fn.setup?.(deps as never)
  const all = { ...deps, ...(own as object | undefined) }

  let draining = false
  const verifier = needsToken(fn)
    ? (await import('../security/tokens.ts')).tokenVerifier({
        jwksUrl: String(config.JWKS_URL),
        issuer: String(config.TOKEN_ISSUER),
        audience: String(config.TOKEN_AUDIENCE),
      })
    : undefined
  const ready = async () => {
    if (draining) throw new Transient('unavailable', 'This instance is ending.')
    await Promise.all(opened.resources.map(resource => resource.ready?.()))
  }
  const listener = host(fn, all, { log, metrics, spans, verifier, ready })
  const serving = await serve({ listener, metrics, host: config.HOST, port: config.PORT, metricsPort: config.METRICS_PORT })

  const abort = new AbortController()
  const running = fn.run?.(all as never, abort.signal)
  const ended = new Promise<never>((_resolve, reject) => {
    running?.then(() => abort.signal.aborted || reject(new Error(`${fn.name} ended by itself.`)), reject)
  })
  log.info({ port: serving.port }, 'listening')
  return {
    port: serving.port,
    metricsPort: serving.metricsPort,
    ended,
    async stop() {
      draining = true
      await serving.drain(config.DRAIN_DEADLINE)
      abort.abort()
      await running?.catch(() => {})
      await (own as { close?: () => Promise<void> } | undefined)?.close?.()
      await Promise.allSettled(opened.resources.map(resource => resource.close()))
      await spans.close().catch(() => {})
      closeIdleConnections()
      log.info('drained')
    },
  }
}

async function openResources(fn: TidemarkFunction, settings: Settings, metrics: Metrics) {
  const deps: Record<string, unknown> & { db: Record<string, unknown>; call: Record<string, unknown> } = { db: {}, call: {} }
  const resources: Resource[] = []
  await Promise.all(
    [...new Set(fn.uses)].map(async use => {
      const { kind, name } = splitUse(use)
      const resource = await resourceKinds[kind].open({ name, settings, service: fn.name, metrics })
      resources.push(resource)
      if (kind === 'db' || kind === 'call') deps[kind][name] = resource.value
      else deps[kind === 'registry' ? 'events' : kind] = resource.value
    }),
  )
  return { deps, resources }
}
