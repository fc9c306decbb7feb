import type { IncomingMessage, Server, ServerResponse } from 'node:http'

/** Answers the two paths that a kubelet asks, and says whether it did. */
export function answeredHealth(request: IncomingMessage, response: ServerResponse, ready: boolean): boolean {
  const path = request.url?.split('?', 1)[0]
  if (path !== '/health/liveness' && path !== '/health/readiness') return false
  const status = path === '/health/liveness' || ready ? 200 : 503
  response
    .writeHead(status, { 'content-type': 'application/json' })
    .end(JSON.stringify({ status: status === 200 ? 'up' : 'down' }))
  return true
}

export const listening = (server: Server, port: number, host?: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })

/** Takes no new connections and answers what is in flight, for five seconds at most. */
export const drained = (server: Server): Promise<void> =>
  new Promise(resolve => {
    const late = setTimeout(() => server.closeAllConnections(), 5_000)
    server.close(() => {
      clearTimeout(late)
      resolve()
    })
  })
