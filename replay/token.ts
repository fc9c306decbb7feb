import { z } from 'zod'
import { NoAnswer, type Send } from './http.ts'

/** Refreshed this long before its end, so that no call leaves with a token that dies on the way. */
const MARGIN_MS = 30_000

const tokenAnswer = z.object({ access_token: z.string().min(1), expires_in: z.number().positive() })

export type Credentials = { readonly tokenUrl: string; readonly clientId: string; readonly clientSecret: string }

/** The token server answered, and the answer was no: waiting does not help. */
export class TokenRefused extends Error {}

/** OAuth 2.0 client credentials (RFC 6749, 4.4) with HTTP Basic client authentication. One request at a time, however many calls wait. */
export class AccessToken {
  readonly #credentials: Credentials
  readonly #send: Send
  readonly #now: () => number
  #current: { token: string; until: number } | undefined
  #fetching: Promise<string> | undefined

  constructor(credentials: Credentials, send: Send, now: () => number) {
    this.#credentials = credentials
    this.#send = send
    this.#now = now
  }

  async get(): Promise<string> {
    if (this.#current && this.#now() < this.#current.until) return this.#current.token
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = undefined
    })
    return this.#fetching
  }

  /** After a 401: the system no longer takes the token, whatever its age. */
  forget(token: string): void {
    if (this.#current?.token === token) this.#current = undefined
  }

  async #fetch(): Promise<string> {
    const { tokenUrl, clientId, clientSecret } = this.#credentials
    const basic = Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`).toString('base64')
    const answer = await this.#send({
      method: 'POST',
      url: new URL(tokenUrl),
      headers: {
        authorization: `Basic ${basic}`,
        'content-type': 'application/x-www-form-urlencoded',
        accept: 'application/json',
      },
      body: 'grant_type=client_credentials',
    })
    if (answer.status === 429 || answer.status >= 500) throw new NoAnswer(`${tokenUrl} answered ${answer.status}`)
    if (answer.status !== 200) throw new TokenRefused(`${tokenUrl} answered ${answer.status} to client "${clientId}"`)
    const { access_token: token, expires_in: seconds } = tokenAnswer.parse(JSON.parse(answer.text))
    const life = seconds * 1000
    // A token shorter than twice the margin is renewed at half its life.
    this.#current = { token, until: this.#now() + Math.max(life - MARGIN_MS, life / 2) }
    return token
  }
}
