import { errors, jwtVerify } from 'jose'
import { Rejected } from '../errors.ts'
import { issuerKeys } from './issuer-keys.ts'
import type { Scope } from './scopes.ts'

/** Who calls, as the token says. */
export interface Caller {
  /** `sub`: the person or the client. */
  readonly subject: string
  /** `client_id` (RFC 9068), else the subject: what quotas and idempotency keys are counted by. */
  readonly client: string
  readonly scopes: ReadonlySet<string>
}

export interface TokenVerifier {
  /** Throws Rejected `unauthenticated` for a bad token, Transient `unavailable` when the keys cannot be had. */
  verify(authorization: string | undefined): Promise<Caller>
}

/** Verified tokens kept: a signature check costs more than the whole rest of a small request. */
const rememberedLimit = 2_000
/** A remembered token is verified again after this, so that a key that was withdrawn stops working soon. */
const rememberedMilliseconds = 60_000

/**
 * Verifies JWT access tokens (RFC 9068) against the issuer's published keys.
 */
export function tokenVerifier(options: { jwksUrl: string; issuer: string; audience: string; now?: () => number }): TokenVerifier {
  const now = options.now ?? Date.now
  const keys = issuerKeys(options.jwksUrl, now)
  const remembered = new Map<string, { caller: Caller; until: number }>()

  async function check(token: string): Promise<Caller> {
    const { payload } = await jwtVerify(token, keys, {
      issuer: options.issuer,
      audience: options.audience,
      clockTolerance: 5,
      requiredClaims: ['exp', 'sub'],
      currentDate: new Date(now()),
    }).catch(cause => {
      if (!(cause instanceof errors.JOSEError)) throw cause
      throw new Rejected(
        'unauthenticated',
        cause instanceof errors.JWTExpired ? 'The token has expired.' : 'The token is not valid.',
      )
    })
    const subject = payload.sub as string
    const caller: Caller = {
      subject,
      client: typeof payload.client_id === 'string' ? payload.client_id : subject,
      scopes: new Set(typeof payload.scope === 'string' ? payload.scope.split(' ') : []),
    }
    if (remembered.size >= rememberedLimit) remembered.delete(remembered.keys().next().value as string)
    remembered.set(token, { caller, until: Math.min((payload.exp as number) * 1_000, now() + rememberedMilliseconds) })
    return caller
  }

  return {
    async verify(authorization) {
      const token = authorization?.startsWith('Bearer ') ? authorization.slice(7) : undefined
      if (!token) throw new Rejected('unauthenticated')
      const known = remembered.get(token)
      if (known && known.until > now()) return known.caller
      if (known) remembered.delete(token)
      return check(token)
    },
  }
}

export function requireScope(caller: Caller, allowed: readonly Scope[]): void {
  if (allowed.some(scope => caller.scopes.has(scope))) return
  throw new Rejected('forbidden', undefined, { needed: allowed })
}
