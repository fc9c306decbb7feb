import { z } from 'zod'

/** A setting that stops the start: names every variable that is wrong, and never shows its value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/**
 * Parses the variables that a schema names out of an environment. Called once, by `main.ts`; nobody else reads `process.env`.
 * An empty variable counts as absent, because that is what `FOO=` in a manifest means.
 */
export function parseConfig<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  env: NodeJS.ProcessEnv,
): z.output<z.ZodObject<Shape>> {
  const given = Object.fromEntries(Object.keys(schema.shape).map(name => [name, env[name] || undefined]))
  const parsed = schema.safeParse(given)
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map(issue => `${issue.path.join('.')}: ${issue.message}`)
  throw new ConfigError(`The configuration is not usable.\n  ${problems.join('\n  ')}`)
}

/** Marks a variable that holds a secret: it is mounted from a Secret of its own, never from the shared ConfigMap. */
export const secret = <T extends z.ZodType>(schema: T): T => schema.meta({ secret: true })

/** Shapes that settings share. */
export const setting = {
  url: () => z.url(),
  port: (standard: number) => z.coerce.number().int().min(0).max(65_535).default(standard),
  count: (standard: number) => z.coerce.number().int().min(0).default(standard),
  milliseconds: (standard: number) => z.coerce.number().int().min(1).default(standard),
  flag: (standard: boolean) => z.stringbool().default(standard),
}
