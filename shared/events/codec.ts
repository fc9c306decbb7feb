import type { SchemaRegistry } from '@kafkajs/confluent-schema-registry'
import avro from 'avsc'
import { Rejected, Transient } from '../errors.ts'
import { exchange } from '../function/exchange.ts'
import { type EventType, schemaOf } from './catalog.ts'
import type { EventData } from './generated.ts'

/**
 * Event data as Avro in the Confluent wire format: a zero byte, the schema's id in the registry (4 bytes, big-endian), the value.
 */
export interface EventCodec {
  /** Registers the type's schema, BACKWARD compatible, when that has not happened yet, and returns its encoder. */
  encoder<T extends EventType>(type: T): Promise<(data: EventData[T]) => Buffer>
  /** Decodes with the reader's own schema, whichever version the writer used. Throws Rejected when it cannot. */
  decode<T extends EventType>(type: T, bytes: Buffer): Promise<EventData[T]>
  /** Takes data that came as JSON. Throws Rejected naming the field when it does not fit the schema. */
  fromJson<T extends EventType>(type: T, json: unknown): EventData[T]
}

const headerLength = 5

const ownTypes = new Map<EventType, avro.Type>()

/** The reader's schema. Unions are unwrapped: `null | string` is a JavaScript null or string. */
export function ownType(type: EventType): avro.Type {
  let own = ownTypes.get(type)
  if (!own) {
    own = avro.Type.forSchema(JSON.parse(schemaOf(type)))
    ownTypes.set(type, own)
  }
  return own
}

export function eventCodec(registryUrl: string): EventCodec {
  let registry: Promise<SchemaRegistry> | undefined
  const encoders = new Map<EventType, Promise<(data: never) => Buffer>>()
  const decoders = new Map<string, (bytes: Buffer) => unknown>()

  /** 115 ms of CPU to import: with the first event, not with the process. */
  const connected = () => {
    registry ??= import('./registry-client.ts').then(
      ({ SchemaRegistry }) =>
        new SchemaRegistry({ host: registryUrl, retry: { retries: 2, initialRetryTimeInSecs: 0.1, maxRetryTimeInSecs: 1 } }),
    )
    return registry
  }

  async function makeEncoder(type: EventType): Promise<(data: never) => Buffer> {
    const { COMPATIBILITY, SchemaType } = await import('./registry-client.ts')
    const client = await connected()
    const register = () =>
      client.register({ type: SchemaType.AVRO, schema: schemaOf(type) }, { subject: type, compatibility: COMPATIBILITY.BACKWARD })
    const { id } = await register()
      .catch(async error => {
        if (!isHalfRegistered(error)) throw error
        await keepCompatible(registryUrl, type)
        return register()
      })
      .catch(cause => Promise.reject(unregistered(type, cause)))
    const own = ownType(type)
    const header = Buffer.alloc(headerLength)
    header.writeInt32BE(id, 1)
    return data => Buffer.concat([header, own.toBuffer(data)])
  }

  async function makeDecoder(type: EventType, id: number): Promise<(bytes: Buffer) => unknown> {
    const writer = (await (
      await connected()
    )
      .getSchema(id)
      .catch(cause =>
        Promise.reject(new Transient('unavailable', `Schema ${id} could not be read.`, { cause })),
      )) as unknown as avro.Type
    const own = ownType(type)
    try {
      // The writer's type is built anew from its text: the registry client may carry another copy of avsc.
      const resolver = own.createResolver(avro.Type.forSchema(JSON.parse(JSON.stringify(writer))))
      return bytes => own.fromBuffer(bytes.subarray(headerLength), resolver)
    } catch (cause) {
      throw new Rejected('invalid_input', `Schema ${id} cannot be read as ${type}: ${(cause as Error).message}`)
    }
  }

  return {
    encoder(type) {
      let encoder = encoders.get(type)
      if (!encoder) {
        encoder = makeEncoder(type)
        encoders.set(type, encoder)
        encoder.catch(() => encoders.delete(type))
      }
      return encoder as never
    },

    async decode(type, bytes) {
      if (bytes.length < headerLength || bytes[0] !== 0)
        throw new Rejected('invalid_input', 'The event is not Avro in the Confluent wire format.')
      const id = bytes.readInt32BE(1)
      const key = `${type} ${id}`
      let decoder = decoders.get(key)
      if (!decoder) {
        decoder = await makeDecoder(type, id)
        decoders.set(key, decoder)
      }
      try {
        return decoder(bytes) as never
      } catch (error) {
        throw new Rejected('invalid_input', `The event cannot be decoded as ${type}: ${(error as Error).message}`)
      }
    },

    fromJson(type, json) {
      let field: string[] | undefined
      const valid = ownType(type).isValid(json, {
        errorHook: path => {
          field ??= path
        },
      })
      if (!valid)
        throw new Rejected('invalid_input', `The event does not fit ${type}.`, { errors: [{ field: field?.join('.') ?? '' }] })
      return json as never
    },
  }
}

/**
 * The client registers a schema and then says how its successors must fit it. Whoever is killed between the two leaves a subject that
 * demands nothing, which the client refuses ever after. Of two that do it at the same time, one is told that the other was first.
 */
const isHalfRegistered = ({ name, message }: Error): boolean =>
  (name === 'ConfluentSchemaRegistryCompatibilityError' && /!= NONE\)$/.test(message)) ||
  /'COMPATIBILITY' already exists/.test(message)

async function keepCompatible(registryUrl: string, type: EventType): Promise<void> {
  const { status } = await exchange({
    url: `${registryUrl}/config/${encodeURIComponent(type)}`,
    method: 'PUT',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ compatibility: 'BACKWARD' }),
    timeout: 5_000,
  })
  if (status !== 200) throw new Error(`The registry answered ${status}.`)
}

/** The registry's no is final: the schema is not compatible with those before it, or no schema. Anything else may pass. */
function unregistered(type: EventType, cause: unknown): Error {
  const { status, message } = cause as Error & { status?: number }
  if (status === 409 || status === 422)
    return new Rejected('invalid_input', `The registry refuses the schema of ${type}: ${message}`)
  return new Transient('unavailable', `The schema of ${type} could not be registered.`, { cause })
}
