import type { z } from 'zod'
import type { TidemarkFunction } from '../shared/function/declare.ts'
import { configOf, platformConfig } from '../shared/function/start.ts'

interface Item {
  key: string
  path: string
}
type Source =
  | { configMap: { name: string; items: Item[]; optional?: true } }
  | { secret: { name: string; items: Item[]; optional?: true } }

/** Settings that every function may be given, though none needs them. The others of the platform belong to the process. */
const shared = new Set(['LOG_LEVEL', 'OTEL_EXPORTER_OTLP_ENDPOINT'])
/** A function's own: one value for all would be wrong for some. */
const perFunction = new Set(['DATABASE_POOL', 'CLIENT_ID'])

/**
 * The one volume of a function: a file for each variable that it declares, named like the variable, from the ConfigMap `tidemark` or from
 * the Secret that holds it. Nothing else is mounted. Files follow a change; an environment would not.
 */
export function settingsVolume(fn: TidemarkFunction): { name: string; projected: { sources: Source[] } } {
  const settings: { required: Item[]; optional: Item[] } = { required: [], optional: [] }
  const secrets: Source[] = []
  for (const [name, schema] of Object.entries(configOf(fn).shape) as [string, z.ZodType][]) {
    if (perFunction.has(name) || (Object.hasOwn(platformConfig.shape, name) && !shared.has(name))) continue
    const optional = schema.safeParse(undefined).success
    if ((schema.meta() as { secret?: boolean } | undefined)?.secret) secrets.push(secretSource(fn.name, name, optional))
    else settings[optional ? 'optional' : 'required'].push({ key: name, path: name })
  }
  const sources: Source[] = [
    ...(settings.required.length > 0 ? [{ configMap: { name: 'tidemark', items: settings.required } }] : []),
    ...(settings.optional.length > 0
      ? [{ configMap: { name: 'tidemark', optional: true as const, items: settings.optional } }]
      : []),
    ...merged(secrets),
  ]
  return { name: 'settings', projected: { sources } }
}

function secretSource(fn: string, variable: string, optional: boolean): Source {
  const own = variable === 'CLIENT_SECRET'
  const items = [{ key: own ? 'secret' : variable, path: variable }]
  return { secret: { name: own ? `client-${fn}` : secretName(variable), ...(optional && { optional: true }), items } }
}

/** One source a Secret, with all that is taken from it. */
function merged(sources: readonly Source[]): Source[] {
  const byName = new Map<string, Source>()
  for (const source of sources) {
    if (!('secret' in source)) continue
    const known = byName.get(source.secret.name)
    if (known && 'secret' in known) known.secret.items.push(...source.secret.items)
    else byName.set(source.secret.name, source)
  }
  return [...byName.values()]
}

/** `ORDERS_DATABASE_URL` → `orders-database`: one Secret a thing, so that one can be given without the others. */
export const secretName = (variable: string): string =>
  variable
    .toLowerCase()
    .replace(/_url$/, '')
    .replaceAll('_', '-')
    .replace(/^aws-.*/, 'aws')
