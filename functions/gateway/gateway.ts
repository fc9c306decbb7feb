import type { IncomingMessage, ServerResponse } from 'node:http'
import cors from 'cors'
import { z } from 'zod'
import openapi from '../../openapi.json' with { type: 'json' }
import { setting } from '../../shared/config.ts'
import { Rejected } from '../../shared/errors.ts'
import { service } from '../../shared/function/declare.ts'
import type { Platform } from '../../shared/function/host.ts'
import { instrumented } from '../../shared/function/instrument.ts'
import { sendText } from '../../shared/function/problem.ts'
import { serveDocs } from './docs.ts'
import { forward } from './forward.ts'
import { type RateLimit, rateLimit } from './rate-limit.ts'
import { type RouteTarget, routeTable } from './route-table.ts'

/** Longer than the longest deadline of an operation, which the function itself keeps. */
const deadline = 65_000

const tokenDeadline = 5_000

const reference = JSON.stringify(openapi)

/** The one public door: knows the operations from `openapi.json`, the callers from their tokens, and how much each may ask. */
export const gateway = service({
  name: 'gateway',
  summary: 'The public door',
  visibility: 'public',
  uses: ['redis'],
  config: z.object({
    FUNCTION_URL: z.string().includes('{name}').default('http://{name}.tidemark.svc.cluster.local'),
    RATE_LIMIT_REQUESTS: setting.count(1_000),
    RATE_LIMIT_SECONDS: setting.count(1),
    /** Where tokens are issued: `POST /oauth/token` goes there. */
    TOKEN_URL: setting.url(),
    /** Origins whose pages may call, with commas between them. None by default. */
    CORS_ORIGINS: z.string().default(''),
  }),
  scale: { min: 1, max: 10, concurrency: 0, timeout: 70 },
  setup({ redis, config, metrics }) {
    const limited = metrics.counter('tidemark_rate_limited_total', 'Requests refused because their client was over its limit.')
    return {
      limit: rateLimit({
        redis,
        requests: config.RATE_LIMIT_REQUESTS,
        seconds: config.RATE_LIMIT_SECONDS,
        limited: () => limited.inc(),
      }),
    }
  },
  listener({ config, limit }, platform) {
    const route = routeTable(openapi)
    const share = crossOrigin(config.CORS_ORIGINS)
    const urls = new Map<string, URL>()
    const urlOf = (name: string): URL => {
      let url = urls.get(name)
      if (!url) {
        url = new URL(config.FUNCTION_URL.replace('{name}', name))
        urls.set(name, url)
      }
      return url
    }
    return async (request, response) => {
      response.setHeader('x-content-type-options', 'nosniff')
      if (share(request, response)) return
      const path = (request.url ?? '/').split('?', 1)[0] as string
      if (path === '/openapi.json') return sendText(response, 200, reference, 'application/json')
      if (path === '/docs' || path.startsWith('/docs/')) return serveDocs(path, response)
      if (path === '/oauth/token') {
        const work = { name: 'oauth-token', kind: 'server', deadline: tokenDeadline } as const
        return instrumented(platform, work, request, response, async (_notes, context) => {
          await limit.take(`address:${request.socket.remoteAddress}`, response)
          await forward(new URL('/', config.TOKEN_URL), request, response, context)
        })
      }
      const match = route(request.method ?? 'GET', path)
      const name = match.kind === 'found' ? match.target.operation : 'unknown'
      await instrumented(platform, { name, kind: 'server', deadline }, request, response, async (notes, context) => {
        notes.client = await admit(limit, platform, request, response)
        const target = found(match, path, response)
        notes.function = target.function
        await forward(urlOf(target.function), request, response, context)
      })
    }
  },
})

/** Who has no valid token is limited by address, so that guessing tokens is slow too. */
async function admit(limit: RateLimit, platform: Platform, request: IncomingMessage, response: ServerResponse): Promise<string> {
  try {
    const caller = await (platform.verifier as NonNullable<Platform['verifier']>).verify(request.headers.authorization)
    await limit.take(`client:${caller.client}`, response)
    return caller.client
  } catch (error) {
    if (error instanceof Rejected && error.code === 'unauthenticated')
      await limit.take(`address:${request.socket.remoteAddress}`, response)
    throw error
  }
}

function found(match: ReturnType<ReturnType<typeof routeTable>>, path: string, response: ServerResponse): RouteTarget {
  if (match.kind === 'found') return match.target
  if (match.kind === 'not_found') {
    throw new Rejected('not_found', path.startsWith('/v1/') ? undefined : 'The API begins at /v1; its reference is at /docs.')
  }
  response.setHeader('allow', match.allow.join(', '))
  throw new Rejected('method_not_allowed', undefined, { allow: match.allow })
}

/** @returns whether the request is answered: a preflight is */
function crossOrigin(origins: string): (request: IncomingMessage, response: ServerResponse) => boolean {
  const allowed = origins
    .split(',')
    .map(origin => origin.trim())
    .filter(Boolean)
  if (allowed.length === 0) return () => false
  const handle = cors({
    origin: allowed,
    methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowedHeaders: ['authorization', 'content-type', 'idempotency-key', 'if-match', 'traceparent'],
    exposedHeaders: ['etag', 'location', 'ratelimit', 'ratelimit-policy', 'retry-after', 'x-request-id', 'idempotency-replayed'],
    maxAge: 3_600,
  })
  return (request, response) => {
    let passed = false
    handle(request, response, () => {
      passed = true
    })
    return !passed
  }
}
