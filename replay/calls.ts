import { type Answer, NoAnswer, type Send } from './http.ts'
import { type AccessToken, TokenRefused } from './token.ts'

/** Time, chance and waiting, passed in so that tests decide them. `wait` resolves early when it likes to; nothing depends on it. */
export type Surroundings = {
  readonly now: () => number
  readonly random: () => number
  readonly wait: (ms: number) => Promise<void>
}

export type Call = {
  /** What the timings are listed under. */
  readonly name: string
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly path: string
  readonly body?: unknown
  /** Every write has one: a retry must not do the work twice. */
  readonly key?: string
  /** How long to keep trying, ms. */
  readonly patience?: number
}

/** The system did not take a call for as long as the replay was willing to try. */
export class Unreachable extends Error {
  readonly url: string
  constructor(url: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.url = url
  }
}

export type CallLog = { answered(name: string, ms: number): void; retried(name: string): void }

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5_000

/**
 * Calls Tidemark until it answers. No answer, 429, 502, 503 and 504 are tried again with the same key, after what Retry-After asks or a
 * doubling pause with jitter; so is a 409 with Retry-After, which says that the first try of this key is still at work. All else is an
 * answer, of which the slow tries before it are no part of the timing.
 */
export class Calls {
  readonly #base: string
  readonly #send: Send
  readonly #token: AccessToken
  readonly #patience: number
  readonly #surroundings: Surroundings
  readonly #log: CallLog

  constructor(
    base: string,
    link: { send: Send; token: AccessToken; patience: number; surroundings: Surroundings; log: CallLog },
  ) {
    this.#base = base.replace(/\/+$/, '')
    this.#send = link.send
    this.#token = link.token
    this.#patience = link.patience
    this.#surroundings = link.surroundings
    this.#log = link.log
  }

  async make(call: Call): Promise<Answer> {
    const { now, wait } = this.#surroundings
    const giveUpAt = now() + (call.patience ?? this.#patience)
    for (let attempt = 1; ; attempt += 1) {
      const outcome = await this.#try(call)
      if ('status' in outcome && !asksToRetry(outcome)) {
        this.#log.answered(call.name, outcome.ms)
        return outcome
      }
      const pause = this.#pause(attempt, outcome)
      if (now() + pause > giveUpAt) {
        const reason = 'status' in outcome ? `answered ${outcome.status}` : outcome.message
        const url = 'status' in outcome ? this.#base + call.path : this.#base
        throw new Unreachable(url, `${call.name}: gave up after ${attempt} tries: ${reason}`, { cause: outcome })
      }
      this.#log.retried(call.name)
      await wait(pause)
    }
  }

  async #try(call: Call): Promise<Answer | NoAnswer> {
    try {
      const token = await this.#token.get()
      const answer = await this.#once(call, token)
      if (answer.status !== 401) return answer
      this.#token.forget(token)
      return await this.#once(call, await this.#token.get())
    } catch (error) {
      if (error instanceof NoAnswer) return error
      if (error instanceof TokenRefused) throw new Unreachable(this.#base, error.message, { cause: error })
      throw error
    }
  }

  #once(call: Call, token: string): Promise<Answer> {
    return this.#send({
      method: call.method,
      url: new URL(this.#base + call.path),
      headers: {
        authorization: `Bearer ${token}`,
        accept: 'application/json',
        ...(call.key === undefined ? {} : { 'idempotency-key': call.key }),
        ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
    })
  }

  #pause(attempt: number, outcome: Answer | NoAnswer): number {
    const { random } = this.#surroundings
    const asked = 'status' in outcome ? retryAfter(outcome) : undefined
    // Jitter also on what the server asks: sixteen workers told "1 second" would come back as one.
    if (asked !== undefined) return asked * (1 + random() / 4)
    return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1)) * (0.5 + random() / 2)
  }
}

export function asksToRetry(answer: Pick<Answer, 'status' | 'headers'>): boolean {
  if (answer.status === 409) return retryAfter(answer) !== undefined
  return [429, 502, 503, 504].includes(answer.status)
}

function retryAfter(answer: Pick<Answer, 'headers'>): number | undefined {
  const seconds = Number(answer.headers['retry-after'] ?? Number.NaN)
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined
}
