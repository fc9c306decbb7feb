import type { IncomingMessage } from 'node:http'
import { Rejected } from '../errors.ts'

/** The whole body, refused as soon as it is known to be larger than `limit` bytes. */
export function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > limit) return Promise.reject(tooLarge(limit))
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const chunks: Buffer[] = []
  let size = 0
  request.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size > limit) reject(tooLarge(limit))
    else chunks.push(chunk)
  })
  request.on('end', () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)))
  request.on('error', reject)
  request.on('aborted', () => reject(new Rejected('malformed_request', 'The request ended before its body did.')))
  return promise
}

export const tooLarge = (limit: number) => new Rejected('body_too_large', `The body may have ${limit} bytes.`, { limit })

/** `text/csv; charset=utf-8` is `text/csv`. */
export function requireType(request: IncomingMessage, takes: readonly string[]): void {
  const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase() ?? ''
  if (!takes.includes(type)) throw new Rejected('unsupported_media_type', `Send ${takes.join(' or ')}.`)
}

export function parseJson(body: Buffer, contentType: string | undefined): unknown {
  if (body.length === 0) return {}
  if (!/^application\/([\w.+-]+\+)?json\b/i.test(contentType ?? '')) {
    throw new Rejected('unsupported_media_type', 'Send application/json.')
  }
  try {
    return JSON.parse(body.toString())
  } catch {
    throw new Rejected('malformed_request', 'The body is not JSON.')
  }
}
