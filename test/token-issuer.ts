import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { scopes } from '../shared/security/scopes.ts'

export interface TokenOptions {
  readonly client?: string
  readonly scopes?: readonly string[]
  readonly subject?: string
  readonly audience?: string
  /** Seconds from now; negative for a token that has expired. */
  readonly expiresIn?: number
}

export interface TokenIssuer {
  readonly url: string
  readonly jwksUrl: string
  readonly tokenUrl: string
  issue(options?: TokenOptions): Promise<string>
  /** From now on signs with a new key; the old one stays published unless it is withdrawn. */
  rotate(withdraw?: boolean): Promise<void>
  /** The status that the key endpoint answers; 200 unless a test takes it away. */
  keyStatus: number
  close(): void
}

/** A real issuer over HTTP: published RSA keys and the client-credentials grant, for any client. It keeps no process alive. */
export async function startTokenIssuer(): Promise<TokenIssuer> {
  let published: JWK[] = []
  let signing: { key: CryptoKey; kid: string }
  async function addKey(): Promise<void> {
    const { publicKey, privateKey } = await generateKeyPair('RS256')
    const kid = `key-${published.length}-${Math.random().toString(36).slice(2)}`
    published.push({ ...(await exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' })
    signing = { key: privateKey, kid }
  }
  await addKey()

  const server: Server = createServer((request, response) => {
    response.setHeader('connection', 'close')
    if (request.url === '/jwks') {
      response.writeHead(issuer.keyStatus, { 'content-type': 'application/json' }).end(JSON.stringify({ keys: published }))
      return
    }
    const basic = Buffer.from(request.headers.authorization?.slice('Basic '.length) ?? '', 'base64').toString()
    const client = decodeURIComponent(basic.split(':')[0] ?? '')
    void issuer.issue({ client, expiresIn: 300 }).then(token => {
      const body = { access_token: token, token_type: 'Bearer', expires_in: 300 }
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  const issuer: TokenIssuer = {
    url,
    jwksUrl: `${url}/jwks`,
    tokenUrl: `${url}/token`,
    keyStatus: 200,
    issue({
      client = 'shop',
      scopes: granted = Object.keys(scopes),
      subject = client,
      audience = 'tidemark',
      expiresIn = 300,
    } = {}) {
      const now = Math.floor(Date.now() / 1_000)
      return new SignJWT({ client_id: client, scope: granted.join(' ') })
        .setProtectedHeader({ alg: 'RS256', kid: signing.kid, typ: 'at+jwt' })
        .setIssuer(url)
        .setSubject(subject)
        .setAudience(audience)
        .setIssuedAt(now)
        .setExpirationTime(now + expiresIn)
        .sign(signing.key)
    },
    async rotate(withdraw = false) {
      if (withdraw) published = []
      await addKey()
    },
    close: () => server.close(),
  }
  return issuer
}

let shared: Promise<TokenIssuer> | undefined
const sharedIssuer = (): Promise<TokenIssuer> => {
  shared ??= startTokenIssuer()
  return shared
}

/** A token of the issuer that all functions of this test process trust. */
export const issueToken = async (options?: TokenOptions): Promise<string> => (await sharedIssuer()).issue(options)

/** What a function has to know of that issuer. */
export async function issuerEnvironment(client: string): Promise<Record<string, string>> {
  const { url, jwksUrl, tokenUrl } = await sharedIssuer()
  return {
    JWKS_URL: jwksUrl,
    TOKEN_ISSUER: url,
    TOKEN_URL: tokenUrl,
    CLIENT_ID: client,
    CLIENT_SECRET: 'secret of the tests',
  }
}
