import { CompactEncrypt, compactDecrypt } from 'jose'

/**
 * Personal data at rest: JWE with a direct 256-bit key (A256GCM). The key's id stands in the header, so that old values can still
 * be opened after the key was changed.
 */
export interface Seal {
  seal(text: string): Promise<string>
  open(sealed: string): Promise<string>
}

/** @param keys `id:base64url` of 32 bytes each, with commas between them; the first seals, all open */
export function sealWith(keys: string): Seal {
  const parsed = keys.split(',').map(entry => {
    const [id = '', key = ''] = entry.split(':')
    return { id, key: Buffer.from(key, 'base64url') }
  })
  const [current] = parsed
  return {
    seal: text =>
      new CompactEncrypt(new TextEncoder().encode(text))
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: current?.id ?? '' })
        .encrypt(current?.key ?? new Uint8Array()),
    async open(sealed) {
      const { plaintext } = await compactDecrypt(sealed, header => {
        const found = parsed.find(({ id }) => id === header.kid)
        if (!found) throw new Error(`There is no sealing key ${header.kid}.`)
        return found.key
      })
      return new TextDecoder().decode(plaintext)
    },
  }
}

export const sealingKeysPattern = /^[\w-]+:[\w-]{43}(,[\w-]+:[\w-]{43})*$/
