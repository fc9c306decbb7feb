import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import openapi from '../../openapi.json' with { type: 'json' }
import { setting } from '../../shared/config.ts'
import { builtFrom } from '../../shared/config-live.ts'
import { Rejected } from '../../shared/errors.ts'
import { service } from '../../shared/function/declare.ts'
import type { Platform } from '../../shared/function/host.ts'
import { instrumented } from '../../shared/function/instrument.ts'
import { sendText } from '../../shared/function/problem.ts'
import { clientAddress, TrustedProxies } from './client-address.ts'
import { crossOrigin } from './cross-origin.ts'
import { serveDocs } from './docs.ts'
import { forward } from './forward.ts'
import { type RateLimit, rateLimit } from './rate-limit.ts'
import { type RouteTarget, routeTable } from './route-table.ts'

/** Longer than the longest usual deadline of an operation, which the function itself keeps; longer ones are told by `openapi.json`. */
const usualDeadline = 65_000
/** Milliseconds that the gateway waits longer than an operation may take: the function's own answer is the better one. */
const patience = 5_000

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
    /** Proxies whose word about the client's address is believed. None by default. */
    TRUSTED_PROXIES: TrustedProxies,
  }),
  scale: { min: 1, max: 10, concurrency: 0, target: 200, timeout: 600, memory: 512 },
  setup({ redis, config, metrics }) {
    const limited = metrics.counter('tidemark_rate_limited_total', 'Requests refused because their client was over its limit.')
    const limit = builtFrom(
      () => [config.RATE_LIMIT_REQUESTS, config.RATE_LIMIT_SECONDS],
      (requests, seconds) => rateLimit({ redis, requests, seconds, limited: () => limited.inc() }),
    )
    return { limit: { take: (client, response) => limit().take(client, response) } satisfies RateLimit }
  },
  listener({ config, limit }, platform) {
    const route = routeTable(openapi)
    const share = builtFrom(() => [config.CORS_ORIGINS], crossOrigin)
    const addressOf = builtFrom(() => [config.TRUSTED_PROXIES], clientAddress)
    const urlOf = builtFrom(() => [config.FUNCTION_URL], functionUrls)
    const tokenUrl = builtFrom(
      () => [config.TOKEN_URL],
      url => new URL(url),
    )
    return async (request, response) => {
      response.setHeader('x-content-type-options', 'nosniff')
      if (share()(request, response)) return
      const path = (request.url ?? '/').split('?', 1)[0] as string
      if (path === '/openapi.json') return sendText(response, 200, reference, 'application/json')
      if (path === '/docs' || path.startsWith('/docs/')) return serveDocs(path, response)
      if (path === '/oauth/token') {
        const work = { name: 'oauth-token', kind: 'server', deadline: tokenDeadline } as const
        return instrumented(platform, work, request, response, async (_notes, context) => {
          const address = addressOf()(request)
          await limit.take(`address:${address}`, response)
          const { pathname, search } = tokenUrl()
          await forward({ to: tokenUrl(), path: pathname + search, address, context }, request, response)
        })
      }
      const match = route(request.method ?? 'GET', path)
      const name = match.kind === 'found' ? match.target.operation : 'unknown'
      const own = match.kind === 'found' ? match.target.deadline : undefined
      const deadline = own === undefined ? usualDeadline : own + patience
      await instrumented(platform, { name, kind: 'server', deadline }, request, response, async (notes, context) => {
        const address = addressOf()(request)
        const isSigned = match.kind === 'found' && match.target.signed
        if (isSigned) await limit.take(`address:${address}`, response)
        else notes.client = await admit(limit, platform, address, request, response)
        const target = found(match, path, response)
        notes.function = target.function
        const to = urlOf()(target.function)
        await forward({ to, path: pathUnder(to, request.url ?? '/'), address, context }, request, response)
      })
    }
  },
})

/** Who has no valid token is limited by address, so that guessing tokens is slow too. */
async function admit(
  limit: RateLimit,
  platform: Platform,
  address: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<string> {
  try {
    const caller = await (platform.verifier as NonNullable<Platform['verifier']>).verify(request.headers.authorization)
    await limit.take(`client:${caller.client}`, response)
    return caller.client
  } catch (error) {
    if (error instanceof Rejected && error.code === 'unauthenticated') await limit.take(`address:${address}`, response)
    throw error
  }
}

function functionUrls(pattern: string): (name: string) => URL {
  const urls = new Map<string, URL>()
  return name => {
    let url = urls.get(name)
    if (!url) {
      url = new URL(pattern.replace('{name}', name))
      urls.set(name, url)
    }
    return url
  }
}

const pathUnder = ({ pathname }: URL, asked: string): string => (pathname === '/' ? asked : pathname + asked)

function found(match: ReturnType<ReturnType<typeof routeTable>>, path: string, response: ServerResponse): RouteTarget {
  if (match.kind === 'found') return match.target
  if (match.kind === 'not_found') {
    throw new Rejected('not_found', path.startsWith('/v1/') ? undefined : 'The API begins at /v1; its reference is at /docs.')
  }
  response.setHeader('allow', match.allow.join(', '))
  throw new Rejected('method_not_allowed', undefined, { allow: match.allow })
}
