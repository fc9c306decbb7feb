import { retailer } from '../../local/issuer.ts'
import type { System } from '../../local/system.ts'
import { exchange } from '../../shared/function/exchange.ts'

/** Asks the gateway as the retailer, each write with a key of its own. Throws at any answer but a good one. */
export type Client = (method: string, path: string, body?: unknown) => Promise<unknown>

export async function client({ gatewayUrl, tokenUrl }: System): Promise<Client> {
  const token = await exchange({
    url: tokenUrl,
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${retailer.id}:${retailer.secret}`).toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: 'grant_type=client_credentials',
    timeout: 10_000,
  })
  const { access_token } = JSON.parse(token.body.toString()) as { access_token: string }
  return async (method, path, body) => {
    const answer = await exchange({
      url: gatewayUrl + path,
      method,
      headers: {
        ...{ authorization: `Bearer ${access_token}`, 'content-type': 'application/json' },
        'idempotency-key': crypto.randomUUID(),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      timeout: 30_000,
    })
    if (answer.status >= 300) throw new Error(`${method} ${path} answered ${answer.status}: ${answer.body}`)
    return JSON.parse(answer.body.toString()) as unknown
  }
}
