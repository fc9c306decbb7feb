import { z } from 'zod'
import { atStart, setting } from '../config.ts'
import { builtFrom, liveConfig } from '../config-live.ts'
import { Transient } from '../errors.ts'
import { newId } from '../ids.ts'
import type { TokenVerifier } from '../security/tokens.ts'
import { createLog, type Log } from '../telemetry/log.ts'
import { Metrics } from '../telemetry/metrics.ts'
import { spanSink } from '../telemetry/trace.ts'
import type { TidemarkFunction } from './declare.ts'
import { closeIdleConnections } from './exchange.ts'
import { followSettings } from './follow-settings.ts'
import { host } from './host.ts'
import { type Deps, type Resource, resourceKinds, type Settings, splitUse } from './resources.ts'
import { serve } from './serve.ts'

/** Variables that every function knows. */
export const platformConfig = z.object({
  HOST: atStart(z.string().default('0.0.0.0')),
  PORT: atStart(setting.port(8080)),
  /** OpenTelemetry's own for scrapes. Knative's queue-proxy shares the pod's network and holds 9090 and 9091. */
  METRICS_PORT: atStart(setting.port(9464)),
  LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  /** Milliseconds that requests in flight are given after SIGTERM. */
  DRAIN_DEADLINE: setting.milliseconds(25_000),
  OTEL_EXPORTER_OTLP_ENDPOINT: atStart(setting.url().optional()),
  /** Where settings are mounted as files, each named like its variable. What stands in the environment goes before. */
  CONFIG_FOLDER: z.string().default('/etc/tidemark'),
  /** Milliseconds between two looks whether those files changed. */
  CONFIG_INTERVAL: atStart(z.coerce.number().int().min(1).max(3_600_000).default(5_000)),
})

/** Variables of a function whose operations a token opens. */
export const tokenConfig = z.object({
  JWKS_URL: setting.url(),
  TOKEN_ISSUER: z.string().min(1),
  TOKEN_AUDIENCE: z.string().min(1).default('tidemark'),
})

export const needsToken = (fn: TidemarkFunction): boolean =>
  fn.operations.some(({ signed }) => !signed) || fn.listener !== undefined

/** Everything a function reads from its environment or from mounted files. */
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
  const folder = env.CONFIG_FOLDER || platformConfig.shape.CONFIG_FOLDER.parse(undefined)
  // Only the environment can say where the files are.
  const live = liveConfig(configOf(fn), { ...env, CONFIG_FOLDER: folder }, folder)
  const config = live.config as z.output<typeof platformConfig> & Settings
  const log = createLog({ service: fn.name, level: config.LOG_LEVEL })
  const metrics = new Metrics(fn.name)
  const spans = spanSink({
    endpoint: config.OTEL_EXPORTER_OTLP_ENDPOINT,
    service: fn.name,
    failed: error => log.error({ cause: (error as Error).message }, 'spans cannot be exported'),
  })
  const opened = await openResources(fn, config, metrics)
  const deps = {
    ...opened.deps,
    config,
    now: () => new Date(),
    newId,
    log,
    metrics,
  } as unknown as Deps
  const own = await fn.setup?.(deps as never)
  const all = { ...deps, ...(own as object | undefined) }

  let draining = false
  const verifier = needsToken(fn) ? await liveVerifier(config) : undefined
  const resourcesReady = toldOnce(log, () => Promise.all(opened.resources.map(resource => resource.ready?.())))
  const ready = async () => {
    if (draining) throw new Transient('unavailable', 'This instance is ending.')
    await resourcesReady()
  }
  const listener = host(fn, all, { log, metrics, spans, verifier, ready })
  const serving = await serve({
    ...{ listener, metrics, host: config.HOST, port: config.PORT, metricsPort: config.METRICS_PORT },
    longest: fn.scale.timeout,
  })

  const stopFollowing = followSettings({ ...live, config }, { log, metrics })
  const abort = new AbortController()
  const running = fn.run?.(all as never, abort.signal)
  const ended = new Promise<never>((_resolve, reject) => {
    running?.then(() => abort.signal.aborted || reject(new Error(`${fn.name} ended by itself.`)), reject)
  })
  log.info({ port: serving.port, started: performance.timeOrigin }, 'listening')
  return {
    port: serving.port,
    metricsPort: serving.metricsPort,
    ended,
    async stop() {
      draining = true
      stopFollowing()
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

async function liveVerifier(config: Settings): Promise<TokenVerifier> {
  const { tokenVerifier } = await import('../security/tokens.ts')
  const verifier = builtFrom(
    () => [config.JWKS_URL, config.TOKEN_ISSUER, config.TOKEN_AUDIENCE].map(String) as [string, string, string],
    (jwksUrl, issuer, audience) => tokenVerifier({ jwksUrl, issuer, audience }),
  )
  return { verify: authorization => verifier().verify(authorization) }
}

/** A probe is answered without its reason and not logged: the log says why a function is not ready, once for each reason. */
function toldOnce(log: Log, ready: () => Promise<unknown>): () => Promise<void> {
  let told: string | undefined
  return async () => {
    try {
      await ready()
      told = undefined
    } catch (error) {
      const { message, cause } = error as Error
      const reason = cause instanceof Error ? `${message} ${cause.message}` : message
      if (reason !== told) log.warn({ reason }, 'not ready')
      told = reason
      throw error
    }
  }
}

async function openResources(fn: TidemarkFunction, settings: Settings, metrics: Metrics) {
  const deps: Record<string, unknown> & Record<'db' | 'replica' | 'call', Record<string, unknown>> = {
    db: {},
    replica: {},
    call: {},
  }
  const resources: Resource[] = []
  await Promise.all(
    [...new Set(fn.uses)].map(async use => {
      const { kind, name } = splitUse(use)
      const resource = await resourceKinds[kind].open({ name, settings, service: fn.name, metrics })
      resources.push(resource)
      if (kind === 'db' || kind === 'replica' || kind === 'call') deps[kind][name] = resource.value
      else deps[kind === 'registry' ? 'events' : kind] = resource.value
    }),
  )
  return { deps, resources }
}
