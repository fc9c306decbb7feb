import { Agent, createServer, type IncomingMessage, request as outgoingRequest, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { localBroker } from '../settings.ts'
import type { Revision } from './revision.ts'

export interface Activator {
  readonly port: number
  close(): Promise<void>
}

const agent = new Agent({ keepAlive: true, maxSockets: 1_024, scheduling: 'lifo' })

/** Where functions are called: `/NAME/…` goes to an instance of NAME, which is started when there is none. */
export async function startActivator(port: number, find: (name: string) => Revision | undefined): Promise<Activator> {
  const server = createServer((request, response) => void pass(request, response, find))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function pass(
  request: IncomingMessage,
  response: ServerResponse,
  find: (name: string) => Revision | undefined,
): Promise<void> {
  const [, name = ''] = (request.url ?? '').split('/', 2)
  if (name === localBroker) {
    request.resume()
    return void response.writeHead(202).end()
  }
  const revision = find(name)
  if (!revision) return void response.writeHead(404).end()
  let lease: Awaited<ReturnType<Revision['lease']>>
  try {
    lease = await revision.lease()
  } catch (error) {
    return void response.writeHead(503, { 'content-type': 'text/plain' }).end((error as Error).message)
  }
  // The client may have gone away while an instance was started for it.
  if (response.closed) return lease.release()
  const { promise, resolve } = Promise.withResolvers<void>()
  const onward = outgoingRequest({
    agent,
    host: '127.0.0.1',
    port: lease.port,
    method: request.method ?? 'GET',
    path: request.url?.slice(name.length + 1) || '/',
    headers: request.headers,
  })
  onward.on('response', answer => {
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.on('error', () => response.destroy())
    answer.pipe(response)
  })
  onward.on('error', error => {
    if (response.headersSent) response.destroy()
    else response.writeHead(502, { 'content-type': 'text/plain' }).end(`${name}: ${error.message}`)
  })
  response.on('close', () => {
    if (!response.writableFinished) onward.destroy()
    resolve()
  })
  request.on('error', () => onward.destroy())
  request.pipe(onward)
  await promise
  lease.release()
}
