import { Agent, request } from 'node:http'
import { Agent as TlsAgent, request as tlsRequest } from 'node:https'
import { Transient } from '../errors.ts'

export interface Answer {
  readonly status: number
  readonly headers: Record<string, string | string[] | undefined>
  readonly body: Buffer
}

const agent = new Agent({ keepAlive: true, maxSockets: 256, maxFreeSockets: 64, scheduling: 'lifo' })
/** Made with the first call by TLS, which takes 15 ms of CPU to load: inside the cluster there is none. */
let tlsAgent: TlsAgent | undefined

/** An answer of another function is read whole; more than this is a fault, not an answer. */
const answerLimit = 16 * 1024 * 1024

/**
 * One HTTP request and its whole answer, within `timeout` milliseconds from call to last byte.
 * node:http with kept connections: the global fetch costs about twice the CPU per call and 20 ms to load.
 * Any failure to get an answer is Transient; the status is the caller's to judge.
 */
export function exchange(call: {
  url: string
  method: string
  headers?: Record<string, string>
  body?: string | Buffer
  timeout: number
}): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const secure = call.url.startsWith('https:')
  if (secure) tlsAgent ??= new TlsAgent({ keepAlive: true, maxSockets: 256, maxFreeSockets: 64 })
  const outgoing = (secure ? tlsRequest : request)(call.url, {
    method: call.method,
    agent: secure ? tlsAgent : agent,
    headers: call.body === undefined ? call.headers : { ...call.headers, 'content-length': Buffer.byteLength(call.body) },
  })
  const fail = (cause: Error) => reject(new Transient('unavailable', `No answer from ${new URL(call.url).host}.`, { cause }))
  const timer = setTimeout(() => outgoing.destroy(new Error(`no answer within ${call.timeout} ms`)), call.timeout)
  outgoing.on('error', fail)
  outgoing.on('close', () => clearTimeout(timer))
  outgoing.on('response', incoming => {
    const chunks: Buffer[] = []
    let size = 0
    incoming.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > answerLimit) outgoing.destroy(new Error(`an answer of more than ${answerLimit} bytes`))
      else chunks.push(chunk)
    })
    incoming.on('error', fail)
    incoming.on('end', () =>
      resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: Buffer.concat(chunks) }),
    )
  })
  outgoing.end(call.body)
  return promise
}

/** Closes the connections that wait for reuse, so that a process can end. */
export function closeIdleConnections(): void {
  agent.destroy()
  tlsAgent?.destroy()
}
