import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A webhook's receiver: notes when it is told of each SKU for the first time, in milliseconds of this process. */
export interface Receiver {
  readonly url: string
  readonly told: ReadonlyMap<string, number>
  /** Deliveries, repeated ones too. */
  deliveries(): number
  close(): void
}

interface Body {
  readonly data: { readonly facts: { readonly alerts: readonly { readonly sku: string }[] } }
}

export async function openReceiver(): Promise<Receiver> {
  const told = new Map<string, number>()
  let deliveries = 0
  const server = createServer(async (request, response) => {
    const at = performance.now()
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    response.writeHead(204).end()
    deliveries++
    const { data } = JSON.parse(Buffer.concat(chunks).toString()) as Body
    for (const { sku } of data.facts.alerts) if (!told.has(sku)) told.set(sku, at)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', () => resolve()))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    told,
    deliveries: () => deliveries,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
