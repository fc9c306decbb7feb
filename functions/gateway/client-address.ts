import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import proxyAddr from 'proxy-addr'
import { z } from 'zod'

/** The address that a request came from, as far as it can be believed. */
export type ClientAddress = (request: IncomingMessage) => string

/**
 * Goes back through `X-Forwarded-For` as long as the address that added the next entry is a trusted one; what stands before that is
 * the client's own claim. By default nobody is trusted, and the socket's address counts. Each trusted proxy must add the address that
 * it was called from: Kourier does so only with `use-remote-address` in its ConfigMap `config-kourier`. Who calls from a trusted address
 * is believed whatever it claims: let no others in, and no balancer before Kourier may put a trusted address in the client's place
 * (`externalTrafficPolicy: Local`).
 */
export function clientAddress(trusted: string): ClientAddress {
  const entries = entriesOf(trusted)
  if (entries.length === 0) return request => request.socket.remoteAddress ?? ''
  const trust = proxyAddr.compile(entries)
  // An address has at most 45 characters. What is longer is none, and would be kept as a key.
  return request => (proxyAddr(request, trust) ?? '').slice(0, 45)
}

/** CIDRs, addresses or names of ranges, with commas between them. `0.0.0.0/0` is refused: it would believe everybody. */
export const TrustedProxies = z
  .string()
  .refine(canBeTrusted, 'expected addresses, CIDRs or the names loopback, linklocal and uniquelocal, with commas between them')
  .default('')

function canBeTrusted(trusted: string): boolean {
  const entries = entriesOf(trusted)
  try {
    proxyAddr.compile(entries)
    // The package also reads `1` as an address, which is meant as a number of hops by whoever writes it.
    return entries.every(entry => /^[a-z]+$/.test(entry) || isIP(entry.split('/', 1)[0] as string) > 0)
  } catch {
    return false
  }
}

const entriesOf = (trusted: string): string[] =>
  trusted
    .split(',')
    .map(entry => entry.trim())
    .filter(Boolean)
