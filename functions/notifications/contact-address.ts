import { isIP } from 'node:net'
import { z } from 'zod'
import { Rejected } from '../../shared/errors.ts'
import { masked } from '../../shared/security/mask.ts'
import type { Channel } from './alert-facts.ts'
import { isPrivateAddress } from './channels/private-address.ts'

/** Channels whose addresses people enter; devices register themselves. */
export const enteredChannels = ['email', 'sms', 'pagerduty', 'webhook'] as const
export type EnteredChannel = (typeof enteredChannels)[number]

const shapes: Record<Exclude<EnteredChannel, 'webhook'>, { readonly schema: z.ZodType<string>; readonly expected: string }> = {
  email: { schema: z.email().max(254), expected: 'an e-mail address, like berta@example.com' },
  sms: { schema: z.string().regex(/^\+[1-9]\d{6,14}$/), expected: 'a telephone number in E.164, like +41791234567' },
  pagerduty: {
    schema: z.string().regex(/^[A-Za-z0-9]{32}$/),
    expected: 'an integration key of 32 letters and digits (Events API v2)',
  },
}

export const wrongField = (field: string, message: string): Rejected =>
  new Rejected('invalid_input', `${field}: ${message}`, { errors: [{ field, message }] })

/** The address in its canonical form. Throws Rejected that says what is expected. */
export function checkedAddress(channel: EnteredChannel, text: string, allowPrivate: boolean): string {
  const address = text.trim()
  if (channel === 'webhook') return checkedUrl(address, allowPrivate)
  const { schema, expected } = shapes[channel]
  if (!schema.safeParse(address).success) throw wrongField('address', `expected ${expected}`)
  // A mailbox is the same however its domain is written.
  return channel === 'email' ? address.replace(/@.*$/, domain => domain.toLowerCase()) : address
}

function checkedUrl(text: string, allowPrivate: boolean): string {
  const url = URL.parse(text)
  if (!url || !/^https?:$/.test(url.protocol) || text.length > 2_000) throw wrongField('address', 'expected an https URL')
  if (url.username || url.password) throw wrongField('address', 'a URL may not carry a user or password')
  if (allowPrivate) return url.href
  if (url.protocol !== 'https:') throw wrongField('address', 'a URL must be https')
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (host === 'localhost' || (isIP(host) > 0 && isPrivateAddress(host))) {
    throw wrongField('address', 'a URL may not lead into a private network')
  }
  return url.href
}

/** What an answer shows of an address: enough to know it by. */
export function shownAddress(channel: Channel, address: string): string {
  if (channel !== 'webhook') return masked(address)
  const url = URL.parse(address)
  return url ? `${url.origin}/•••` : '•••'
}
