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

/** Signatures of one message. More changes of a secret within its time than this end the oldest at once. */
const mostSecrets = 4

/** The new one goes first; those before it stay valid for their time, the one that was the newest until `until`. */
export function rotated(kept: readonly WebhookSecret[], secret: string, until: Date): WebhookSecret[] {
  const old = kept.map(each => ({ secret: each.secret, until: each.until ?? until.toISOString() }))
  return [{ secret }, ...old].slice(0, mostSecrets)
}
