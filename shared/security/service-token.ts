import { Transient } from '../errors.ts'
import { exchange } from '../function/exchange.ts'

/** The token a function shows when it calls another one: its own identity, by OAuth2 client credentials (RFC 6749 section 4.4). */
export interface ServiceToken {
  get(): Promise<string>
}

/** A token is renewed this long before it ends, so that none expires on its way. */
const renewBeforeMilliseconds = 30_000

export interface ClientCredentials {
  readonly tokenUrl: string
  readonly clientId: string
  readonly clientSecret: string
}

/** @param credentials read with every new token: one that is held is shown until it ends */
export function serviceToken(credentials: () => ClientCredentials, now: () => number = Date.now): ServiceToken {
  let current: { token: string; until: number } | undefined
  let pending: Promise<string> | undefined

  async function fetchToken(): Promise<string> {
    const { tokenUrl, clientId, clientSecret } = credentials()
    const pair = `${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`
    const authorization = `Basic ${Buffer.from(pair).toString('base64')}`
    const answer = await exchange({
      url: tokenUrl,
      method: 'POST',
      headers: { authorization, 'content-type': 'application/x-www-form-urlencoded' },
      body: 'grant_type=client_credentials',
      timeout: 3_000,
    })
    if (answer.status !== 200) throw new Transient('unavailable', `The token endpoint answered ${answer.status}.`)
    const { access_token, expires_in } = JSON.parse(answer.body.toString()) as { access_token: string; expires_in: number }
    current = { token: access_token, until: now() + expires_in * 1_000 - renewBeforeMilliseconds }
    return access_token
  }

  return {
    get() {
      if (current && current.until > now()) return Promise.resolve(current.token)
      pending ??= fetchToken().finally(() => {
        pending = undefined
      })
      return pending
    },
  }
}
