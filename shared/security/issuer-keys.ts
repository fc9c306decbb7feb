import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import { Transient } from '../errors.ts'
import { exchange } from '../function/exchange.ts'

/** Milliseconds between two looks for a key that is not there: a flood of forged tokens must not become a flood of requests. */
const cooldown = 5_000
/** Milliseconds that read keys are trusted: one that was withdrawn stops working after this. */
const trusted = 600_000

/**
 * The issuer's published keys (RFC 7517), read with the first token, again for an unknown key, and when they are old.
 * jose's own remote set does the same by the global fetch, whose loading costs a cold start 24 ms of CPU.
 */
export function issuerKeys(url: string, now: () => number): JWTVerifyGetKey {
  let keys: { find: ReturnType<typeof createLocalJWKSet>; readAt: number } | undefined
  let reading: Promise<NonNullable<typeof keys>> | undefined

  async function read(): Promise<NonNullable<typeof keys>> {
    const answer = await exchange({ url, method: 'GET', headers: { accept: 'application/json' }, timeout: 3_000 })
    try {
      if (answer.status !== 200) throw new Error(`The key endpoint answered ${answer.status}.`)
      keys = { find: createLocalJWKSet(JSON.parse(answer.body.toString()) as JSONWebKeySet), readAt: now() }
      return keys
    } catch (cause) {
      throw new Transient('unavailable', "The issuer's keys cannot be read.", { cause })
    }
  }

  const fresh = () => {
    reading ??= read().finally(() => {
      reading = undefined
    })
    return reading
  }

  return async (header, token) => {
    const known = keys && now() - keys.readAt < trusted ? keys : await fresh()
    try {
      return await known.find(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || now() - known.readAt < cooldown) throw error
      return (await fresh()).find(header, token)
    }
  }
}
