import { HTTP } from 'cloudevents'
import { Rejected } from '../errors.ts'
import { type EventOf, type EventType, isEventType } from '../events/catalog.ts'
import type { EventCodec } from '../events/codec.ts'

export interface Delivered {
  readonly id: string
  readonly type: string
  /** Decodes the data; undefined for a type that the function does not handle. */
  event(types: readonly EventType[], codec: EventCodec): Promise<EventOf<EventType> | undefined>
}

/** Reads a CloudEvent from a request in binary or structured mode. */
export function readDelivery(headers: Record<string, string | string[] | undefined>, body: Buffer): Delivered {
  const structured = /^application\/cloudevents/i.test(String(headers['content-type'] ?? ''))
  let received: ReturnType<typeof HTTP.toEvent>
  try {
    // The SDK parses a body of JSON itself, and keeps any other as the bytes that came.
    const readable = structured || /json/i.test(String(headers['content-type'] ?? '')) ? body.toString() : body
    received = HTTP.toEvent({ headers: headers as Record<string, string>, body: readable })
  } catch (error) {
    throw new Rejected('invalid_input', `Not a CloudEvent: ${(error as Error).message}`)
  }
  if (Array.isArray(received)) throw new Rejected('unsupported_media_type', 'A batch of events is not supported.')
  const { id, type, source, time, subject, data, data_base64: base64 } = received
  // The SDK does not insist on what the specification requires: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#required-attributes
  if (!id || !type || !source) throw new Rejected('invalid_input', 'Not a CloudEvent: it needs an id, a type and a source.')
  const bytes = Buffer.isBuffer(data) ? data : base64 !== undefined ? Buffer.from(base64, 'base64') : undefined
  return {
    id,
    type,
    async event(types, codec) {
      if (!isEventType(type) || !types.includes(type)) return undefined
      return {
        id,
        type,
        subject: subject ?? '',
        time: new Date(time ?? Date.now()),
        data: bytes ? await codec.decode(type, bytes) : codec.fromJson(type, data),
      }
    },
  }
}
