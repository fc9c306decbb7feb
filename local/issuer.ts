import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { importJWK, type JWK, SignJWT } from 'jose'
import { readBody } from '../shared/function/body.ts'
import { sendJson } from '../shared/function/problem.ts'
import { type Scope, scopes } from '../shared/security/scopes.ts'
import { answeredHealth, drained, listening } from './cluster/health.ts'

/** A client of the development issuer and what it may do. */
export interface Client {
  readonly id: string
  readonly secret: string
  readonly scopes: readonly Scope[]
}

/** The retailer of the demo and the replay. Its secret is no secret: this issuer serves one machine. */
export const retailer: Client = {
  id: 'retailer',
  secret: 'retailer-development-secret',
  scopes: Object.keys(scopes) as Scope[],
}

/** What a function may do at others: stock is asked of another function, but for those that deal with alerts. */
function scopesOf(name: string): Scope[] {
  // What was acknowledged at a provider is said to the alerts.
  if (name === 'notifications-callbacks') return ['alerts:write']
  const ofAlerts = ['alerts:read', 'alerts:write', 'notifications:read'] as const
  return ['stock:read', 'stock:write', ...(['alerts-explain', 'alerts-canary'].includes(name) ? ofAlerts : [])]
}

export const functionClient = (name: string, masterSecret: string): Client => ({
  id: name,
  secret: createHmac('sha256', masterSecret).update(name).digest('base64url'),
  scopes: scopesOf(name),
})

/** The retailer, and every function that there is. */
export const localClient =
  (functions: object, masterSecret: string) =>
  (id: string): Client | undefined =>
    id === retailer.id ? retailer : Object.hasOwn(functions, id) ? functionClient(id, masterSecret) : undefined

export interface Issuer {
  readonly url: string
  close(): Promise<void>
}

const tokenSeconds = 600

/**
 * OAuth2 client credentials (RFC 6749 section 4.4) with JWT access tokens (RFC 9068), for the local run until the auth function exists.
 * @param key a private RSA key as JWK: kept by the caller, so that tokens outlive a restart
 */
export async function startIssuer(options: {
  host?: string
  port: number
  key: JWK
  client: (id: string) => Client | undefined
}): Promise<Issuer> {
  const privateKey = await importJWK(options.key, 'RS256')
  const { n, e, kty } = options.key
  const publicKey = { kty, n, e, alg: 'RS256', use: 'sig', kid: options.key.kid }

  const server = createServer(async (request, response) => {
    try {
      if (answeredHealth(request, response, server.listening)) return
      const path = request.url?.split('?', 1)[0]
      if (request.method === 'GET' && path === '/.well-known/jwks.json') return sendJson(response, 200, { keys: [publicKey] })
      if (request.method !== 'POST' || path !== '/oauth/token') return sendJson(response, 404, { error: 'not_found' })
      const form = new URLSearchParams((await readBody(request, 10_000)).toString())
      if (form.get('grant_type') !== 'client_credentials') return sendJson(response, 400, { error: 'unsupported_grant_type' })
      const client = authenticated(request.headers.authorization, form, options.client)
      if (!client) return sendJson(response, 401, { error: 'invalid_client' })
      const granted = grantedScopes(client, form.get('scope'))
      response.setHeader('cache-control', 'no-store')
      sendJson(response, 200, {
        access_token: await sign(client, granted),
        token_type: 'Bearer',
        expires_in: tokenSeconds,
        scope: granted.join(' '),
      })
    } catch {
      sendJson(response, 400, { error: 'invalid_request' })
    }
  })
  await listening(server, options.port, options.host ?? '127.0.0.1')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  const sign = (client: Client, granted: readonly string[]) =>
    new SignJWT({ client_id: client.id, scope: granted.join(' ') })
      .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', kid: options.key.kid as string })
      .setIssuer(issuerName)
      .setAudience('tidemark')
      .setSubject(client.id)
      .setIssuedAt()
      .setExpirationTime(`${tokenSeconds} s`)
      .sign(privateKey)

  return { url, close: () => drained(server) }
}

/** The `iss` of its tokens. A name and not its address, which may differ from start to start. */
export const issuerName = 'urn:tidemark:development-issuer'

function authenticated(
  header: string | undefined,
  form: URLSearchParams,
  find: (id: string) => Client | undefined,
): Client | undefined {
  const [id, secret] = header?.startsWith('Basic ')
    ? Buffer.from(header.slice(6), 'base64').toString().split(':').map(decodeURIComponent)
    : [form.get('client_id'), form.get('client_secret')]
  const client = id ? find(id) : undefined
  return client && secret && timingSafeEqual(digest(secret), digest(client.secret)) ? client : undefined
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

const grantedScopes = (client: Client, asked: string | null): readonly string[] =>
  asked ? asked.split(' ').filter(scope => (client.scopes as readonly string[]).includes(scope)) : client.scopes
