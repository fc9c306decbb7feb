import http from 'node:http'
import https from 'node:https'

export type Request = {
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}
export type Answer = {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly text: string
  readonly ms: number
}
export type Send = (request: Request) => Promise<Answer>

/** No answer: refused, reset, or later than the deadline. Whether the other side did the work is not known. */
export class NoAnswer extends Error {}

/**
 * Plain node:http with kept-alive connections: global fetch costs twice the CPU a call, and the replay shares its machine with the system
 * that it measures. The deadline covers the whole call, from the wait for a free connection to the last byte.
 */
export function openConnections(concurrency: number, deadlineMs: number, host?: string): { send: Send; close(): void } {
  const agents = {
    'http:': new http.Agent({ keepAlive: true, maxSockets: concurrency }),
    'https:': new https.Agent({ keepAlive: true, maxSockets: concurrency }),
  }
  const send: Send = ({ method, url, headers, body }) =>
    new Promise((resolve, reject) => {
      const started = performance.now()
      const secure = url.protocol === 'https:'
      const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
      const request = (secure ? https : http).request(
        url,
        {
          method,
          headers: { ...headers, ...length, ...(host === undefined ? {} : { host }) },
          agent: secure ? agents['https:'] : agents['http:'],
        },
        response => {
          const parts: Buffer[] = []
          response.on('data', (part: Buffer) => parts.push(part))
          response.on('error', fail)
          response.on('end', () => {
            clearTimeout(deadline)
            const text = Buffer.concat(parts).toString('utf8')
            resolve({ status: response.statusCode ?? 0, headers: response.headers, text, ms: performance.now() - started })
          })
        },
      )
      const deadline = setTimeout(() => request.destroy(new Error(`no answer within ${deadlineMs} ms`)), deadlineMs)
      function fail(cause: Error) {
        clearTimeout(deadline)
        reject(new NoAnswer(`${method} ${url.href}: ${describe(cause)}`, { cause }))
      }
      request.on('error', fail)
      request.end(body)
    })
  return {
    send,
    close() {
      for (const agent of Object.values(agents)) agent.destroy()
    },
  }
}

/** A refused connection to `localhost` is an AggregateError, whose own message is empty. */
function describe(error: Error & { code?: string }): string {
  return error.message || error.code || error.name
}
