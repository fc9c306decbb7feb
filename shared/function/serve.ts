import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Listener } from './host.ts'

export interface Serving {
  readonly port: number
  readonly metricsPort: number
  /**
   * Ends without losing a request: answers carry `Connection: close`, what is in flight is finished (within `deadline` milliseconds),
   * idle connections are closed. New requests on open connections are still answered until then.
   */
  drain(deadline: number): Promise<void>
}

/** Listens for requests on one port and for scrapes of `/metrics` on another, so that the metrics are never public. */
export async function serve(options: {
  listener: Listener
  metrics: Metrics
  host: string
  port: number
  metricsPort: number
  /** Seconds that the longest request may take. */
  longest?: number
}): Promise<Serving> {
  let draining = false
  const inFlight = new Set<ServerResponse>()
  const server = createServer((request, response) => {
    inFlight.add(response)
    response.once('close', () => {
      inFlight.delete(response)
      if (draining) server.closeIdleConnections()
    })
    if (draining) response.setHeader('connection', 'close')
    options.listener(request, response)
  })
  // Longer than the idle time of whatever stands before us, which would else send into a connection that is being closed.
  server.keepAliveTimeout = 75_000
  server.headersTimeout = 30_000
  server.requestTimeout = Math.max(120, (options.longest ?? 0) + 5) * 1_000
  const metricsServer = createServer((_request, response) => {
    options.metrics.text().then(
      text => response.writeHead(200, { 'content-type': options.metrics.registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    )
  })
  const [port, metricsPort] = await Promise.all([
    listen(server, options.host, options.port),
    listen(metricsServer, options.host, options.metricsPort),
  ])
  return {
    port,
    metricsPort,
    async drain(deadline) {
      draining = true
      for (const response of inFlight) if (!response.headersSent) response.setHeader('connection', 'close')
      metricsServer.close()
      metricsServer.closeAllConnections()
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      server.closeIdleConnections()
      const timer = setTimeout(() => server.closeAllConnections(), deadline)
      await closed
      clearTimeout(timer)
    },
  }
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port))
  })
}
