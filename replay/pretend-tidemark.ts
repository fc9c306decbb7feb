import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { PretendShop } from './pretend-shop.ts'

/** What goes wrong with one request. `dropped`: the work is done and kept, and the answer is lost. `away`: inventory does not answer. */
export type Fault = 'limited' | 'unavailable' | 'refused' | 'dropped' | 'away'
export type Pretence = {
  /** `attempt` counts from 1 for a key, `nth` over all writes. */
  readonly fault?: (write: { key: string; attempt: number; nth: number }) => Fault | undefined
  readonly falsify?: (sku: string, onHand: number) => number
  readonly mailsLost?: number
  readonly deadLetters?: (poll: number) => number
  /** Polls until the system is at rest. */
  readonly busyPolls?: number
  readonly tokenSeconds?: number
}

type Body = { lines: { sku: string; quantity: number; delta: number }[]; thresholds: { sku: string; level: number }[] }

/** Tidemark as its client sees it, on a real socket, with faults on order: for tests only. */
export async function pretendTidemark(pretence: Pretence = {}) {
  const shop = new PretendShop()
  const attempts = new Map<string, number>()
  const answers = new Map<string, { text: string; result: { status: number; body: unknown } }>()
  const seen = { tokens: 0, writes: 0, polls: 0, reads: 0, keyless: 0, conflicting: 0 }

  const server = http.createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part)
    const text = Buffer.concat(parts).toString()
    const url = new URL(request.url ?? '/', 'http://localhost')
    const answer = (status: number, body: unknown, headers: Record<string, string> = {}) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
    }
    if (url.pathname === '/oauth/token') {
      const expected = `Basic ${Buffer.from('retailer:secret').toString('base64')}`
      if (request.headers.authorization !== expected) return answer(401, { error: 'invalid_client' })
      seen.tokens += 1
      return answer(200, { access_token: `token-${seen.tokens}`, expires_in: pretence.tokenSeconds ?? 300 })
    }
    if (request.headers.authorization !== `Bearer token-${seen.tokens}`) return answer(401, { code: 'unauthenticated' })
    if (request.method === 'GET') return answer(200, read(url))

    const key = String(request.headers['idempotency-key'] ?? '')
    if (key === '') seen.keyless += 1
    const attempt = (attempts.get(key) ?? 0) + 1
    attempts.set(key, attempt)
    seen.writes += 1
    const fault = pretence.fault?.({ key, attempt, nth: seen.writes })
    if (fault === 'limited') return answer(429, { code: 'rate_limited' }, { 'retry-after': '1' })
    if (fault === 'unavailable') return answer(503, { code: 'unavailable' })
    if (fault === 'refused') return request.socket.destroy()
    const known = answers.get(key)
    if (known && known.text !== text) seen.conflicting += 1
    const { result } = known ?? { result: write(url.pathname, JSON.parse(text), fault === 'away') }
    // Kept as text: a later change of the order must not change the first answer.
    answers.set(key, { text, result: structuredClone(result) })
    if (fault === 'dropped') return request.socket.destroy()
    answer(result.status, result.body)
  })

  function write(path: string, body: Body, away: boolean) {
    const lines = body.lines
    if (path === '/v1/stock/receipts') return shop.receive(lines)
    if (path === '/v1/stock/adjustments') return shop.adjust(lines)
    if (path === '/v1/orders') return shop.order(lines, away)
    if (path === '/v1/thresholds') return shop.setThresholds(body.thresholds)
    return shop.cancel(path.split('/')[3] ?? '')
  }

  function read(url: URL): unknown {
    switch (url.pathname) {
      case '/v1/stock':
        return stockPage(Number(url.searchParams.get('cursor') ?? 0))
      case '/v1/stock/reconciliation':
        return {
          ok: true,
          rows: 0,
          movements: shop.movements,
          openReservations: 0,
          drift: { ledger: [], reserved: [], oversold: [] },
        }
      case '/v1/orders/summary': {
        const states: Record<string, number> = {}
        for (const { state } of shop.orders.values()) states[state] = (states[state] ?? 0) + 1
        return { states, final: !states.placed && !states.awaiting_stock }
      }
      case '/v1/alerts/summary':
        return shop.alerts
      case '/v1/notifications/summary':
        return mails()
      case '/v1/events/backlog': {
        seen.polls += 1
        const drained = seen.polls > (pretence.busyPolls ?? 2)
        if (drained) shop.settle()
        const deadLetters = pretence.deadLetters?.(seen.polls) ?? 0
        return { outbox: [{ database: 'inventory', pending: 0, setAside: 0 }], consumers: [], deadLetters, drained }
      }
      default:
        seen.reads += 1
        return shop.orders.get(url.pathname.split('/')[3] ?? '')
    }
  }

  /** Some alerts end before anybody is told; the others are told, two in a mail. */
  function mails() {
    const { open, resolved } = shop.alerts
    const alertsCancelled = Math.floor(resolved / 3)
    const alertsTold = Math.max(0, open + resolved - alertsCancelled - (pretence.mailsLost ?? 0))
    const none = { failed: 0, pending: 0, alertsMuted: 0, alertsPending: 0 }
    return { sent: Math.ceil(alertsTold / 2), alertsTold, alertsCancelled, ...none }
  }

  /** Pages of 25, so that a sample's sixty SKUs need more than one. */
  function stockPage(start: number) {
    const all = [...shop.stock].map(([sku, units]) => ({
      sku,
      location: 'main',
      onHand: pretence.falsify?.(sku, units) ?? units,
    }))
    return { items: all.slice(start, start + 25), next: start + 25 < all.length ? String(start + 25) : null }
  }

  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const close = () =>
    new Promise<void>(resolve => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return { url, shop, seen, attempts, close, [Symbol.asyncDispose]: close }
}
