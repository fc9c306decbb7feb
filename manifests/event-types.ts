import { readdirSync, readFileSync } from 'node:fs'

type Avro =
  | string
  | Avro[]
  | { type: Avro; name?: string; items?: Avro; values?: Avro; symbols?: string[]; fields?: Field[]; doc?: string }
interface Field {
  name: string
  type: Avro
  doc?: string
}
export interface EventSchema {
  type: 'record'
  namespace: string
  name: string
  doc: string
  /** The Kafka topic that carries the event, and the field that is its key. */
  topic: string
  key: string
  fields: Field[]
}

const folder = new URL('../shared/events/schemas/', import.meta.url)

export function readEventSchemas(): EventSchema[] {
  return readdirSync(folder)
    .filter(name => name.endsWith('.avsc'))
    .sort()
    .map(name => JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as EventSchema)
}

export const eventTypeOf = (schema: EventSchema): string => `${schema.namespace}.${schema.name}`

const primitives: Record<string, string> = {
  string: 'string',
  int: 'number',
  long: 'number',
  float: 'number',
  double: 'number',
  boolean: 'boolean',
  bytes: 'Buffer',
  null: 'null',
}

function typeText(avro: Avro): string {
  if (typeof avro === 'string') {
    const known = primitives[avro]
    if (!known) throw new Error(`An event schema names the type ${avro}, which is not a primitive: write it in place.`)
    return known
  }
  if (Array.isArray(avro)) return avro.map(typeText).join(' | ')
  if (avro.type === 'array') return `readonly ${bracketed(typeText(avro.items as Avro))}[]`
  if (avro.type === 'map') return `Readonly<Record<string, ${typeText(avro.values as Avro)}>>`
  if (avro.type === 'enum') return (avro.symbols as string[]).map(symbol => `'${symbol}'`).join(' | ')
  if (avro.type === 'record') return `{\n${fieldsText(avro.fields as Field[], '      ')}    }`
  return typeText(avro.type)
}

const bracketed = (text: string): string => (text.includes('|') ? `(${text})` : text)

const fieldsText = (fields: Field[], indent: string): string =>
  fields
    .map(
      field => `${field.doc ? `${indent}/** ${field.doc} */\n` : ''}${indent}readonly ${field.name}: ${typeText(field.type)}\n`,
    )
    .join('')

/** shared/events/generated.ts: the TypeScript types and the schema texts of every event. */
export function eventTypesFile(): string {
  const schemas = readEventSchemas()
  const types = schemas.map(
    schema => `  /** ${schema.doc} */\n  '${eventTypeOf(schema)}': {\n${fieldsText(schema.fields, '    ')}  }\n`,
  )
  const texts = schemas.map(
    schema =>
      `  '${eventTypeOf(schema)}': {\n    topic: '${schema.topic}',\n    key: '${schema.key}',\n    schema: ${JSON.stringify(JSON.stringify(schema))},\n  },\n`,
  )
  return `// Derived from schemas/*.avsc by \`npm run manifests\`. Edit those.

export interface EventData {
${types.join('')}}

export const eventSchemas = {
${texts.join('')}} as const satisfies Record<keyof EventData, { topic: string; key: string; schema: string }>
`
}
