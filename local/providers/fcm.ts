import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { jwtVerify } from 'jose'
import { type Asked, type Given, type Provider, startProvider } from './provider.ts'

export interface PushMessage {
  readonly name: string
  readonly token?: string
  readonly topic?: string
  readonly notification: { readonly title: string; readonly body: string }
  readonly data: Readonly<Record<string, string>>
}

export interface FcmServer extends Provider<PushMessage> {
  /** A service account's key file. */
  readonly serviceAccount: string
  /** Devices that listen to each topic. */
  readonly topics: ReadonlyMap<string, ReadonlySet<string>>
  /** Devices that the app was removed from. */
  uninstall(token: string): void
}

const project = 'tidemark-local'
const accessToken = 'local-access-token'

/** Firebase Cloud Messaging, HTTP v1: messages, subscriptions to topics, and the token endpoint of its service account. */
export async function startFcm(options: { port?: number } = {}): Promise<FcmServer> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const uninstalled = new Set<string>()
  const topics = new Map<string, Set<string>>()
  let count = 0

  async function answer({ method, path, headers, body }: Asked): Promise<Given> {
    if (path === '/token') return issue(body, publicKey)
    if (headers.authorization !== `Bearer ${accessToken}`)
      return refused(401, 'UNAUTHENTICATED', 'Request had invalid credentials.')
    if (method === 'POST' && path === `/v1/projects/${project}/messages:send`) return take(JSON.parse(body).message)
    const subscription = /^\/v1\/projects\/[^/]+\/registrations\/([^/]+)\/topicSubscriptions(?:\/([^?]+))?/.exec(path)
    if (subscription) return subscribe(method, subscription, path)
    return refused(404, 'NOT_FOUND', 'Requested entity was not found.')
  }

  function take(message: Omit<PushMessage, 'name'>): Given {
    const { token, topic } = message
    if (token !== undefined && uninstalled.has(token))
      return refused(404, 'NOT_FOUND', 'Requested entity was not found.', 'UNREGISTERED')
    if (token === undefined && topic === undefined) return refused(400, 'INVALID_ARGUMENT', 'Recipient is not set.')
    if (token !== undefined && !/^[\w:-]{10,}$/.test(token)) {
      return refused(400, 'INVALID_ARGUMENT', 'The registration token is not a valid FCM registration token', 'INVALID_ARGUMENT')
    }
    const name = `projects/${project}/messages/${++count}`
    return { status: 200, body: { name }, taken: { ...message, name } }
  }

  function subscribe(method: string, found: RegExpExecArray, path: string): Given {
    const token = decodeURIComponent(found[1] as string)
    if (uninstalled.has(token)) return refused(404, 'NOT_FOUND', 'Requested entity was not found.', 'UNREGISTERED')
    const topic = found[2] ?? new URL(path, 'http://x').searchParams.get('topic_name') ?? ''
    const members = topics.get(topic) ?? new Set()
    topics.set(topic, members)
    if (method === 'POST') members.add(token)
    else members.delete(token)
    return { status: 200, body: {} }
  }

  const isToken = ({ path }: Asked) => path === '/token'
  const provider = await startProvider<PushMessage>(answer, { ...options, spared: isToken })
  const account = {
    type: 'service_account',
    project_id: project,
    private_key_id: 'local',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    client_email: `sender@${project}.iam.gserviceaccount.example`,
    token_uri: 'https://oauth2.googleapis.com/token',
  }
  return { ...provider, serviceAccount: JSON.stringify(account), topics, uninstall: token => void uninstalled.add(token) }
}

/** RFC 7523: an access token for an assertion that the account has signed. */
async function issue(body: string, key: KeyObject): Promise<Given> {
  const form = new URLSearchParams(body)
  try {
    if (form.get('grant_type') !== 'urn:ietf:params:oauth:grant-type:jwt-bearer') throw new Error('unsupported_grant_type')
    await jwtVerify(form.get('assertion') ?? '', key, {
      audience: 'https://oauth2.googleapis.com/token',
      requiredClaims: ['scope'],
    })
    return { status: 200, body: { access_token: accessToken, expires_in: 3_600, token_type: 'Bearer' } }
  } catch (error) {
    return { status: 400, body: { error: 'invalid_grant', error_description: (error as Error).message } }
  }
}

const refused = (status: number, text: string, message: string, errorCode?: string): Given => ({
  status,
  body: {
    error: {
      ...{ code: status, message, status: text },
      ...(errorCode && { details: [{ '@type': 'type.googleapis.com/google.firebase.fcm.v1.FcmError', errorCode }] }),
    },
  },
})
