import { createHmac } from 'node:crypto'

/**
 * Finds a sealed value again without opening every seal: HMAC-SHA256 under each sealing key, the first for what is written, all for what
 * is looked for. Another use of the value has another fingerprint.
 * @param sealingKeys as `sealWith` takes them
 */
export function fingerprints(sealingKeys: string, use: string, value: string): [string, ...string[]] {
  return sealingKeys.split(',').map(entry => {
    const key = Buffer.from(entry.split(':')[1] ?? '', 'base64url')
    return createHmac('sha256', key).update(`fingerprint ${use}\0${value}`).digest('base64url')
  }) as [string, ...string[]]
}
