import { createHmac, randomBytes } from 'node:crypto'

/** https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
const prefix = 'whsec_'

/** 256 bits; the specification asks for 24 to 64 bytes. */
export const newWebhookSecret = (): string => prefix + randomBytes(32).toString('base64')

/** A signature for each secret: while secrets rotate, a receiver that knows either of them can check. */
export function signatureHeaders(id: string, at: Date, body: string, secrets: readonly string[]): Record<string, string> {
  const timestamp = String(Math.floor(at.getTime() / 1_000))
  const signatures = secrets.map(secret => {
    const key = Buffer.from(secret.slice(prefix.length), 'base64')
    return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`
  })
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') }
}

/** A secret of a webhook, as it stands sealed in its contact. */
export interface WebhookSecret {
  readonly secret: string
  /** After which it signs no more: it was replaced. */
  readonly until?: string
}

/** Those that sign now, the newest first. */
export const validSecrets = (kept: readonly WebhookSecret[], now: Date): string[] =>
  kept.filter(({ until }) => until === undefined || new Date(until) > now).map(({ secret }) => secret)

/** What stands in a contact: JSON of ours, or a bare secret. */
export function readSecrets(opened: string): WebhookSecret[] {
  return opened.startsWith('[') ? (JSON.parse(opened) as WebhookSecret[]) : opened.split(/\s+/).map(secret => ({ secret }))
}

/** The new one goes first; the one before it stays valid until `until`, and older ones are dropped. */
export function rotated(kept: readonly WebhookSecret[], secret: string, until: Date): WebhookSecret[] {
  const [before] = kept
  return [{ secret }, ...(before ? [{ secret: before.secret, until: until.toISOString() }] : [])]
}
