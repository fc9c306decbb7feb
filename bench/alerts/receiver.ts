import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

type Lane = 'urgent' | 'normal'

/** A webhook's receiver: notes when it is told of each SKU for the first time, in milliseconds of this process. */
export interface Receiver {
  readonly url: string
  readonly told: ReadonlyMap<string, number>
  /** Deliveries in their order, repeated ones too: how many alerts each is about. */
  readonly messages: readonly { readonly lane: Lane; readonly count: number }[]
  /** Alerts that all messages of a lane are about. */
  count(lane: Lane): number
  close(): void
}

interface Body {
  readonly data: {
    readonly severity: string
    readonly facts: { readonly count: number; readonly alerts: readonly { readonly sku: string }[] }
  }
}

export async function openReceiver(): Promise<Receiver> {
  const told = new Map<string, number>()
  const messages: { lane: Lane; count: number }[] = []
  const server = createServer(async (request, response) => {
    const at = performance.now()
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    response.writeHead(204).end()
    const { data } = JSON.parse(Buffer.concat(chunks).toString()) as Body
    messages.push({ lane: data.severity === 'low' ? 'normal' : 'urgent', count: data.facts.count })
    for (const { sku } of data.facts.alerts) if (!told.has(sku)) told.set(sku, at)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', () => resolve()))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    told,
    messages,
    count: lane => messages.reduce((sum, message) => sum + (message.lane === lane ? message.count : 0), 0),
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
