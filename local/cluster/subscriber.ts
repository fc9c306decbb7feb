import { createServer, type IncomingMessage } from 'node:http'
import { readBody } from '../../shared/function/body.ts'
import { sendJson } from '../../shared/function/problem.ts'
import { answeredHealth, drained, listening } from './health.ts'
import type { Program } from './main.ts'

/** An event as this function got it: its attributes without their prefix, JSON as it is, anything else as base64. */
export interface Received {
  readonly at: string
  readonly answered: number
  readonly attributes: Record<string, string>
  readonly data: unknown
}

const kept = 10_000

/**
 * A user's own function, as a test subscribes one with a Trigger. `POST /` takes a CloudEvent, `GET /events` lists what came,
 * oldest first, and `POST /answer?status=503` makes it answer that from then on.
 */
export const run: Program = async env => {
  let status = 204
  const events: Received[] = []
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://subscriber')
    if (answeredHealth(request, response, true)) return
    if (request.method === 'GET' && url.pathname === '/events') return sendJson(response, 200, events)
    if (request.method === 'POST' && url.pathname === '/answer') {
      const wanted = Number(url.searchParams.get('status'))
      if (!(Number.isInteger(wanted) && wanted >= 200 && wanted <= 599))
        return sendJson(response, 400, { error: 'Which status?' })
      status = wanted
      return response.writeHead(204).end()
    }
    if (request.method !== 'POST' || url.pathname !== '/') return response.writeHead(404).end()
    try {
      events.push({ at: new Date().toISOString(), answered: status, ...eventOf(request, await readBody(request, 1_048_576)) })
      if (events.length > kept) events.shift()
      response.writeHead(status).end()
    } catch {
      response.writeHead(400).end()
    }
  })
  await listening(server, Number(env.PORT ?? 8080))
  return { stop: () => drained(server) }
}

function eventOf({ headers }: IncomingMessage, body: Buffer): Pick<Received, 'attributes' | 'data'> {
  const type = headers['content-type'] ?? ''
  if (type.startsWith('application/cloudevents+json')) {
    const { data, ...attributes } = JSON.parse(body.toString()) as Record<string, string>
    return { attributes, data }
  }
  const named = Object.entries(headers).filter(([name]) => name.startsWith('ce-'))
  return {
    attributes: Object.fromEntries(named.map(([name, value]) => [name.slice(3), String(value)])),
    data: /^application\/json\b/.test(type) ? JSON.parse(body.toString()) : body.toString('base64'),
  }
}
