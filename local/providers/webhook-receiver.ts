import { Webhook } from 'standardwebhooks'
import { type Provider, startProvider } from './provider.ts'

export interface ReceivedWebhook {
  readonly id: string
  readonly path: string
  readonly body: unknown
  readonly signatures: number
}

export interface WebhookReceiver extends Provider<ReceivedWebhook> {
  /** What it checks signatures with. Without one it believes everybody. */
  secret: string | undefined
}

/** A receiver as its owner would write it: it checks signatures by the reference library of Standard Webhooks, and refuses what fails. */
export async function startWebhookReceiver(options: { port?: number } = {}): Promise<WebhookReceiver> {
  const kept: { secret: string | undefined } = { secret: undefined }
  const provider = await startProvider<ReceivedWebhook>(({ headers, body, path }) => {
    if (path === '/moved') return { status: 302, headers: { location: '/elsewhere' }, body: '' }
    const signed = {
      'webhook-id': String(headers['webhook-id'] ?? ''),
      'webhook-timestamp': String(headers['webhook-timestamp'] ?? ''),
      'webhook-signature': String(headers['webhook-signature'] ?? ''),
    }
    try {
      if (kept.secret !== undefined) new Webhook(kept.secret).verify(body, signed)
    } catch (error) {
      return { status: 401, body: { error: (error as Error).message } }
    }
    const signatures = signed['webhook-signature'].split(' ').length
    return { status: 204, body: '', taken: { id: signed['webhook-id'], path, body: JSON.parse(body), signatures } }
  }, options)
  return Object.assign(kept, provider)
}
