import { importPKCS8, SignJWT } from 'jose'
import { exchange } from '../../../shared/function/exchange.ts'

export interface ServiceAccount {
  readonly project_id: string
  readonly client_email: string
  readonly private_key: string
  readonly private_key_id?: string
  readonly token_uri?: string
}

const scope = 'https://www.googleapis.com/auth/firebase.messaging'
const googleTokenUrl = 'https://oauth2.googleapis.com/token'

/**
 * An access token for a service account (RFC 7523), as the SDK asks for it; it keeps it until it expires. Not the SDK's own credential:
 * that one knows no deadline and no other token endpoint than Google's, and its library is heavier than all the rest.
 */
export function serviceAccountCredential(account: ServiceAccount, url: string | undefined, deadline: number) {
  const tokenUrl = url ? `${url.replace(/\/$/, '')}/token` : (account.token_uri ?? googleTokenUrl)
  return {
    async getAccessToken(): Promise<{ access_token: string; expires_in: number }> {
      const key = await importPKCS8(account.private_key, 'RS256')
      const assertion = await new SignJWT({ scope })
        .setProtectedHeader({ alg: 'RS256', ...(account.private_key_id && { kid: account.private_key_id }) })
        .setIssuer(account.client_email)
        .setAudience(account.token_uri ?? googleTokenUrl)
        .setIssuedAt()
        .setExpirationTime('1h')
        .sign(key)
      const grant = { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion }
      const { status, body } = await exchange({
        url: tokenUrl,
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams(grant).toString(),
        timeout: deadline,
      })
      if (status !== 200) throw new Error(`the token endpoint answered ${status}`)
      return JSON.parse(body.toString()) as { access_token: string; expires_in: number }
    },
  }
}
