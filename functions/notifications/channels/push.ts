import type { Messaging } from 'firebase-admin/messaging'
import { builtFrom } from '../../../shared/config-live.ts'
import { Rejected, Transient } from '../../../shared/errors.ts'
import { AddressGone, type Channel, type Message, NotConfigured, secondsOf, withoutAnswer } from './channel.ts'
import type { ServiceAccount } from './fcm-credential.ts'

/** What push needs of the settings. */
export interface PushConfig {
  readonly FCM_SERVICE_ACCOUNT?: string | undefined
  readonly FCM_URL?: string | undefined
}

const topicAddress = /^\/topics\/([a-zA-Z0-9-_.~%]{1,900})$/

/** Push messages by Firebase Cloud Messaging, to a device or to all that listen to a topic. */
export function pushChannel(config: PushConfig): Channel {
  const connected = fcmConnection(config)
  return {
    confirms: false,
    warm: async () => config.FCM_SERVICE_ACCOUNT && (await Promise.all([connected(), import('./fcm-agent.ts')])),
    async send(message, deadline) {
      const messaging = await connected()
      const { once } = await import('./fcm-agent.ts')
      try {
        const name = await once(deadline, () => messaging.send(shown(message)))
        if (!name) throw new Error('an answer without a name')
        return { providerId: name }
      } catch (error) {
        throw refusal(error)
      }
    },
  }
}

export function fcmConnection(config: PushConfig): () => Promise<Messaging> {
  const connected = builtFrom(() => [config.FCM_SERVICE_ACCOUNT, config.FCM_URL], connect)
  return async () => {
    const messaging = await connected()
    if (!messaging) throw new NotConfigured('Push is not configured: FCM_SERVICE_ACCOUNT is absent.')
    return messaging
  }
}

let apps = 0
const tokenDeadline = 5_000

async function connect(serviceAccount: string | undefined, url: string | undefined): Promise<Messaging | undefined> {
  if (!serviceAccount) return undefined
  const account = JSON.parse(serviceAccount) as ServiceAccount
  const [{ initializeApp, getMessaging }, { FcmAgent }, { serviceAccountCredential }] = await Promise.all([
    import('./firebase-client.ts'),
    import('./fcm-agent.ts'),
    import('./fcm-credential.ts'),
  ])
  const credential = serviceAccountCredential(account, url, tokenDeadline)
  // The SDK knows its apps by their names: a changed setting is another app.
  const app = initializeApp({ projectId: account.project_id, credential, httpAgent: new FcmAgent(url) }, `tidemark-${++apps}`)
  const messaging = getMessaging(app)
  // HTTP/2 goes round the agent, and with it round our deadline.
  messaging.enableLegacyHttpTransport()
  return messaging
}

/** A device that is given the same message twice shows it once: the second takes the first one's place by its tag. */
function shown({ notificationId, to, subject, text, severity, incident }: Message) {
  const urgent = severity === 'critical' || severity === 'out_of_stock'
  const [, topic] = topicAddress.exec(to) ?? []
  return {
    ...(topic ? { topic } : { token: to }),
    notification: { title: subject, body: text },
    data: { notificationId, incident, ...(severity && { severity }) },
    android: { priority: urgent ? ('high' as const) : ('normal' as const), notification: { tag: notificationId } },
    apns: { headers: { 'apns-collapse-id': notificationId, 'apns-priority': urgent ? '10' : '5' } },
    webpush: { notification: { tag: notificationId }, headers: { Urgency: urgent ? 'high' : 'normal' } },
  }
}

/** https://firebase.google.com/docs/cloud-messaging/error-codes */
const goneCodes = new Set(['registration-token-not-registered', 'invalid-registration-token'])
const refusedCodes = new Set([
  'invalid-argument',
  'invalid-recipient',
  'invalid-payload',
  'payload-size-limit-exceeded',
  'mismatched-credential',
])

export function refusal(error: unknown): Error {
  if (error instanceof Rejected || error instanceof Transient) return error
  const { code = '', message } = error as { code?: string; message?: string }
  const own = String(code).replace(/^(messaging|app)\//, '')
  const { httpResponse } = error as { httpResponse?: { status: number; headers?: Record<string, unknown> } }
  if (goneCodes.has(own)) return new AddressGone(`FCM knows the device no longer: ${own}.`)
  if (refusedCodes.has(own)) return new Rejected('invalid_input', `FCM refused the message: ${own}: ${message}`)
  if (own === 'invalid-credential') return new Transient('upstream_failed', 'Google gave us no access token.', { cause: error })
  if (!httpResponse || httpResponse.status < 400) return withoutAnswer('FCM', error)
  const retryAfter = secondsOf(httpResponse.headers?.['retry-after'])
  return new Transient('upstream_failed', `FCM did not take the message: ${own} (${httpResponse.status}).`, {
    cause: error,
    ...(retryAfter !== undefined && { retryAfter }),
  })
}
