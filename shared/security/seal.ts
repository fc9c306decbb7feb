import { CompactEncrypt, compactDecrypt } from 'jose'
import { builtFrom } from '../config-live.ts'

/**
 * Personal data at rest: JWE with a direct 256-bit key (A256GCM). The key's id stands in the header, so that old values can still
 * be opened after the key was changed.
 */
export interface Seal {
  seal(text: string): Promise<string>
  open(sealed: string): Promise<string>
}

/** @param keys `id:base64url` of 32 bytes each, with commas between them; the first seals, all open. Read with every use. */
export function sealWith(keys: () => string): Seal {
  const parsed = builtFrom(() => [keys()], parse)
  return {
    seal(text) {
      const [current] = parsed()
      return new CompactEncrypt(new TextEncoder().encode(text))
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: current?.id ?? '' })
        .encrypt(current?.key ?? new Uint8Array())
    },
    async open(sealed) {
      const { plaintext } = await compactDecrypt(sealed, header => {
        const found = parsed().find(({ id }) => id === header.kid)
        if (!found) throw new Error(`There is no sealing key ${header.kid}.`)
        return found.key
      })
      return new TextDecoder().decode(plaintext)
    },
  }
}

const parse = (keys: string) =>
  keys.split(',').map(entry => {
    const [id = '', key = ''] = entry.split(':')
    return { id, key: Buffer.from(key, 'base64url') }
  })

export const sealingKeysPattern = /^[\w-]+:[\w-]{43}(,[\w-]+:[\w-]{43})*$/
