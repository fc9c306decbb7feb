import { z } from 'zod'

/** A configuration that cannot be used: names every variable that is wrong, and never shows its value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly variables: readonly string[]

  constructor(problems: readonly { variable: string; message: string }[]) {
    super(
      `The configuration is not usable.\n  ${problems.map(({ variable, message }) => `${variable}: ${message}`).join('\n  ')}`,
    )
    this.variables = [...new Set(problems.map(({ variable }) => variable))]
  }
}

/** The text of each variable. An empty one counts as absent, because that is what `FOO=` in a manifest means. */
export type Variables = Readonly<Record<string, string | undefined>>

/** Parses the variables that a schema names. Called by `shared/config-live.ts`; nobody else reads the environment. */
export function parseConfig<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  variables: Variables,
): z.output<z.ZodObject<Shape>> {
  const given = Object.fromEntries(Object.keys(schema.shape).map(name => [name, variables[name] || undefined]))
  const parsed = schema.safeParse(given)
  if (parsed.success) return parsed.data
  throw new ConfigError(parsed.error.issues.map(({ path, message }) => ({ variable: path.join('.'), message })))
}

/** Marks a variable that holds a secret: it is mounted from a Secret of its own, never from the shared ConfigMap. */
export const secret = <T extends z.ZodType>(schema: T): T => schema.meta({ secret: true })

/**
 * Marks a variable that is read at start alone: when it changes later, the log says that it takes effect with the next start.
 * @param part of the value that is meant, where the rest can follow a change
 */
export const atStart = <T extends z.ZodType>(schema: T, part: (value: string) => unknown = value => value): T =>
  schema.meta({ atStart: part })

/** The part of a value that only the next start reads; undefined where all of it follows a change. */
export const partAtStart = (schema: z.core.$ZodType, value: unknown): unknown =>
  (z.globalRegistry.get(schema)?.atStart as ((value: unknown) => unknown) | undefined)?.(value)

/** Shapes that settings share. */
export const setting = {
  url: () => z.url(),
  /** The URL of a service with user and password: the password can be changed while the function runs. */
  credentialUrl: () => secret(atStart(z.url().refine(isDecodable, 'its password is not percent-encoded'), withoutPassword)),
  optionalCredentialUrl: () => secret(atStart(setting.credentialUrl().optional(), optionalWithoutPassword)),
  port: (standard: number) => z.coerce.number().int().min(0).max(65_535).default(standard),
  count: (standard: number) => z.coerce.number().int().min(0).default(standard),
  milliseconds: (standard: number) => z.coerce.number().int().min(1).default(standard),
  flag: (standard: boolean) => z.stringbool().default(standard),
}

/**
 * The password that connections to a service are opened with: it follows a change of the URL, unless another host, user or database
 * comes with it, which it would belong to.
 * @param url read with every new connection
 */
export function currentPassword(url: () => string): () => string {
  let last = url()
  return () => {
    if (withoutPassword(url()) === withoutPassword(last)) last = url()
    return passwordIn(last)
  }
}

const passwordIn = (url: string): string => decodeURIComponent(new URL(url).password)

function isDecodable(url: string): boolean {
  try {
    return !URL.canParse(url) || passwordIn(url) !== undefined
  } catch {
    return false
  }
}

const optionalWithoutPassword = (url: string | undefined): string | undefined =>
  url === undefined ? undefined : withoutPassword(url)

function withoutPassword(url: string): string {
  const rest = new URL(url)
  rest.password = ''
  return rest.href
}
