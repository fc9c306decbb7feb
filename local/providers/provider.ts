import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { readBody } from '../../shared/function/body.ts'

/** What a provider may be made to do to the next requests. */
export type Fault =
  /** Answers with this status, and takes nothing. */
  | { readonly kind: 'status'; readonly status: number; readonly retryAfter?: string; readonly body?: unknown }
  /** Takes nothing and never answers. */
  | { readonly kind: 'hang' }
  /** Takes it, and never answers. */
  | { readonly kind: 'lost' }
  /** Takes it, and cuts its answer in the middle. */
  | { readonly kind: 'half' }

export interface Asked {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Given {
  readonly status: number
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** What was taken, where something was. */
  readonly taken?: unknown
  /** Done once the answer is out. */
  readonly afterwards?: () => Promise<unknown>
}

export interface Provider<T> {
  readonly url: string
  /** Everything that was taken, in its order. */
  readonly taken: readonly T[]
  /** The next `times` requests fail so. */
  fault(fault: Fault, times?: number): void
  /** Ends the faults, and forgets what was taken. */
  reset(): void
  close(): Promise<void>
}

/**
 * A server that speaks a provider's protocol, on this machine alone. `POST /_control/faults` with a fault and its `times` makes the next
 * requests fail; `GET /_control/taken` shows what was taken; `DELETE /_control` forgets both.
 */
export async function startProvider<T>(
  answer: (asked: Asked) => Given | Promise<Given>,
  options: { port?: number /** Requests that no fault befalls. */; spared?: (asked: Asked) => boolean } = {},
): Promise<Provider<T>> {
  const taken: T[] = []
  let faults: Fault[] = []
  const sockets = new Set<Socket>()
  const provider = {
    taken,
    fault: (fault: Fault, times = 1) => void faults.push(...Array.from({ length: times }, () => fault)),
    reset() {
      taken.length = 0
      faults = []
    },
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked: Asked = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      body: (await readBody(request, 1024 * 1024)).toString(),
    }
    if (asked.path.startsWith('/_control')) return control(asked, response)
    const fault = options.spared?.(asked) ? undefined : faults.shift()
    if (fault?.kind === 'hang') return
    if (fault?.kind === 'status')
      return send(response, fault.status, fault.body ?? '', fault.retryAfter ? { 'retry-after': fault.retryAfter } : {})
    const given = await answer(asked)
    if (given.taken !== undefined) taken.push(given.taken as T)
    void given.afterwards?.().catch(() => {})
    if (fault?.kind === 'lost') return
    if (fault?.kind === 'half') {
      const text = textOf(given.body)
      response.writeHead(given.status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) + 10 })
      response.write(text.slice(0, text.length / 2), () => response.destroy())
      return
    }
    send(response, given.status, given.body, given.headers)
  }

  function control({ method, path, body }: Asked, response: ServerResponse): void {
    const asked = `${method} ${path}`
    if (asked === 'POST /_control/faults') {
      const { times, ...fault } = JSON.parse(body) as Fault & { times?: number }
      provider.fault(fault, times)
    }
    if (asked === 'DELETE /_control') provider.reset()
    send(response, 200, asked === 'GET /_control/taken' ? taken : { faults: faults.length })
  }

  const server = createServer((request, response) => {
    serve(request, response).catch((error: Error) => send(response, 400, { error: error.message }))
  })
  server.on('connection', socket => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? 0, '127.0.0.1', resolve)
  })
  return {
    ...provider,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = new Promise(resolve => server.close(resolve))
      // Those that were left hanging too.
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

const textOf = (body: unknown): string => (typeof body === 'string' ? body : JSON.stringify(body))

function send(response: ServerResponse, status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): void {
  if (response.headersSent) return void response.destroy()
  const text = textOf(body)
  const type = typeof body === 'string' ? 'text/plain' : 'application/json'
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text), ...headers }).end(text)
}
