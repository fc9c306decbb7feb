import { readFileSync } from 'node:fs'
import { z } from 'zod'
import {
  createDocument,
  type ZodOpenApiOperationObject,
  type ZodOpenApiPathsObject,
  type ZodOpenApiResponseObject,
} from 'zod-openapi'
import { allCodes, type Code, statusOf, titleOf } from '../shared/errors.ts'
import type { TidemarkFunction } from '../shared/function/declare.ts'
import type { Operation } from '../shared/function/operation.ts'
import { scopes } from '../shared/security/scopes.ts'
import { declaredFunctions, methodOf, parametersOf, pathOf } from './declared.ts'

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

const Problem = z
  .object({
    type: z.string().meta({ example: 'urn:tidemark:problem:insufficient_stock' }),
    title: z.string(),
    status: z.int(),
    code: z.enum(allCodes as [Code, ...Code[]]).meta({ description: 'Stable: branch on this.' }),
    detail: z.string().optional(),
    instance: z.string().optional().meta({ description: 'The request id, as a URN.' }),
    errors: z
      .array(z.object({ field: z.string(), message: z.string() }))
      .optional()
      .meta({ description: 'invalid_input: what is wrong with which field.' }),
    shortages: z
      .array(z.object({ sku: z.string(), location: z.string(), requested: z.int(), available: z.int() }))
      .optional()
      .meta({ description: 'insufficient_stock: every line that is short.' }),
  })
  .meta({ id: 'Problem', description: 'RFC 9457.' })

const tags: Record<string, string> = {
  stock: 'Stock levels: receive, adjust, count, read.',
  reservations: 'Promises of stock.',
  orders: 'Orders and their payments.',
  thresholds: 'When stock counts as low.',
  alerts: 'Stock that is low.',
  notifications: 'Who was told, and by which routes.',
  recipients: 'Who can be told, by what, and when.',
  'recipient-groups': 'Recipients that are meant together.',
  templates: 'The words of messages.',
  devices: 'Where apps are told.',
  callbacks: 'What providers tell us: opened by their signatures.',
  events: 'What is on its way.',
  outbox: 'Events that were set aside.',
  'dead-letters': 'What could not be delivered.',
}

/** openapi.json: everything the gateway routes, with its schemas, problems and scopes. */
export async function openapiDocument(): Promise<unknown> {
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {}
  for (const fn of await declaredFunctions()) {
    for (const operation of fn.operations) {
      const path = pathOf(operation)
      paths[path] ??= {}
      paths[path][methodOf(operation)] = describe(fn, operation)
    }
  }
  return createDocument({
    openapi: '3.1.0',
    info: {
      title: 'Tidemark',
      version,
      summary: 'Real-time inventory and low-stock alerting.',
      description:
        'Every write takes an `Idempotency-Key`: the same key and body are given the first answer again. Every error is an RFC 9457 problem with a stable `code`. Lists are paged by cursor.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'The gateway.' }],
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
    paths: sorted(paths) as ZodOpenApiPathsObject,
    components: {
      securitySchemes: {
        oauth2: { type: 'oauth2', flows: { clientCredentials: { tokenUrl: '/oauth/token', scopes: { ...scopes } } } },
      },
    },
  })
}

/** Milliseconds: a longer deadline is told, so that what stands before the function waits as long. */
const longestShort = 60_000

const sorted = <T>(record: Record<string, T>): Record<string, T> =>
  Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))

function describe(fn: TidemarkFunction, operation: Operation): ZodOpenApiOperationObject {
  const parameters = parametersOf(operation)
  const inPath = partOf(operation.input, name => parameters.includes(name))
  const rest = operation.describedInput ?? partOf(operation.input, name => !parameters.includes(name))
  const hasBody = !['get', 'delete'].includes(methodOf(operation))
  const takes = (operation.streams ?? operation.signed)?.takes ?? []
  const isRaw = operation.streams !== undefined || operation.signed !== undefined
  const headers = headerParameters(operation)
  return {
    operationId: operation.id,
    summary: operation.summary,
    ...(operation.description && { description: operation.description }),
    tags: [pathOf(operation).split('/')[2] as string],
    // Empty: no token opens it, the signature does.
    security: operation.allow.map(scope => ({ oauth2: [scope] })),
    ...(operation.signed && { 'x-tidemark-signed': operation.signed.by }),
    requestParams: {
      ...(parameters.length > 0 && { path: inPath }),
      ...((!hasBody || isRaw) && Object.keys(rest.shape).length > 0 && { query: rest }),
      ...(headers && { header: headers }),
    },
    ...(takes.length > 0 && {
      requestBody: { required: true, content: Object.fromEntries(takes.map(type => [type, streamed(type, operation.example)])) },
    }),
    ...(hasBody &&
      !isRaw && {
        requestBody: {
          required: true,
          content: {
            'application/json': { schema: rest, ...(operation.example !== undefined && { example: operation.example }) },
          },
        },
      }),
    responses: { ...answers(operation), ...problems(operation, hasBody) },
    'x-tidemark-function': fn.name,
    ...(operation.deadline > longestShort && { 'x-tidemark-deadline': operation.deadline }),
  } as ZodOpenApiOperationObject
}

/** Some fields of an input. Not by zod's `pick`, which knows no part of an input with rules across its fields. */
function partOf(input: z.ZodObject, isIn: (name: string) => boolean): z.ZodObject {
  const part = z.object(Object.fromEntries(Object.entries(input.shape).filter(([name]) => isIn(name))))
  return input.def.catchall ? part.catchall(input.def.catchall) : part
}

function headerParameters(operation: Operation): z.ZodObject | undefined {
  const shape: z.ZodRawShape = {
    ...(operation.idempotent && {
      'Idempotency-Key': z
        .string()
        .min(1)
        .max(200)
        .optional()
        .meta({ description: 'Makes the write safe to repeat: the same key and body are given the first answer again.' }),
    }),
    ...(operation.ifMatch && {
      'If-Match': z.string().meta({ description: 'The ETag as it was read.', example: '"17"' }),
    }),
  }
  return Object.keys(shape).length > 0 ? z.object(shape) : undefined
}

/** A body that is not JSON is text, or bytes (OpenAPI 3.1 gives those no schema). */
const streamed = (type: string, example: unknown) =>
  type.startsWith('text/') || type === 'application/x-www-form-urlencoded' || type === 'application/json'
    ? { schema: { type: type.startsWith('text/') ? 'string' : 'object' }, ...(example !== undefined && { example }) }
    : {}

function answers(operation: Operation) {
  const gives = operation.streams?.gives
  const content = gives ? { [gives]: streamed(gives, undefined) } : { 'application/json': { schema: operation.output } }
  const all = { [operation.status]: operation.status === 201 ? 'Done: this was made.' : 'Done.', ...operation.also }
  return Object.fromEntries(Object.entries(all).map(([status, description]) => [status, { description, content }]))
}

function problems(operation: Operation, hasBody: boolean) {
  const codes: Code[] = [
    ...(operation.signed ? (['invalid_signature'] as const) : (['unauthenticated', 'forbidden'] as const)),
    'rate_limited',
    'internal',
    'unavailable',
    'overloaded',
    'deadline_exceeded',
    'invalid_input',
    ...(hasBody ? (['malformed_request', 'body_too_large', 'unsupported_media_type'] as const) : []),
    ...(operation.idempotent ? (['idempotency_key_reused'] as const) : []),
    ...operation.problems,
  ]
  const byStatus = [...Map.groupBy(new Set(codes), statusOf)].sort(([a], [b]) => a - b)
  return Object.fromEntries(byStatus.map(([status, grouped]) => [String(status), problemResponse(status, grouped)]))
}

/** One object for the same codes: what has an id is written once, under `components.responses`. */
const problemResponses = new Map<string, ZodOpenApiResponseObject>()

function problemResponse(status: number, codes: readonly Code[]): ZodOpenApiResponseObject {
  const id = codes.map(pascalCase).sort().join('Or')
  let response = problemResponses.get(id)
  if (!response) {
    const [code] = codes as [Code]
    response = {
      id,
      description: codes.map(each => `\`${each}\`: ${titleOf(each)}`).join(' '),
      content: {
        'application/problem+json': {
          schema: Problem,
          example: { type: `urn:tidemark:problem:${code}`, title: titleOf(code), status, code },
        },
      },
    }
    problemResponses.set(id, response)
  }
  return response
}

const pascalCase = (code: string): string => code.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase())
