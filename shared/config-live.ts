import { isDeepStrictEqual } from 'node:util'
import type { z } from 'zod'
import { ConfigError, parseConfig, partAtStart, type Variables } from './config.ts'
import { mountedFiles } from './config-files.ts'

/** What a look at the mounted files found. */
export type Look =
  | { readonly kind: 'unchanged' }
  /** `variables` have a new value; for those of `atNextStart` it is the next start that reads it. */
  | { readonly kind: 'applied'; readonly variables: readonly string[]; readonly atNextStart: readonly string[] }
  | { readonly kind: 'refused'; readonly error: ConfigError }

export interface LiveConfig<C> {
  /** One object for the whole life of a process: its members are read anew with every use. */
  readonly config: C
  /** Takes what the files hold now, all of it or, when any variable is wrong, none of it. */
  look(): Look
}

/**
 * A configuration whose variables come from the environment, else from the file of their name in `folder`, which is read again
 * with each look. Throws ConfigError when the first configuration cannot be used.
 */
export function liveConfig<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  env: Variables,
  folder: string,
): LiveConfig<z.output<z.ZodObject<Shape>>> {
  type Config = z.output<z.ZodObject<Shape>>
  const names = Object.keys(schema.shape)
  const files = mountedFiles(
    folder,
    names.filter(name => !env[name]),
  )
  const parse = (): Config => {
    const mounted = files.read()
    return parseConfig(schema, Object.fromEntries(names.map(name => [name, env[name] || mounted[name]])))
  }
  // The state is asked before the files are read: what changes in between is found by the next look.
  let state = files.state()
  let current = parse()

  function look(): Look {
    const found = files.state()
    if (found === state) return { kind: 'unchanged' }
    state = found
    try {
      const before = current
      current = parse()
      const variables = names.filter(name => !isDeepStrictEqual(before[name as keyof Config], current[name as keyof Config]))
      const atNextStart = variables.filter(name => {
        const part = (config: Config) => partAtStart(schema.shape[name] as z.ZodType, config[name as keyof Config])
        return !isDeepStrictEqual(part(before), part(current))
      })
      return { kind: 'applied', variables, atNextStart }
    } catch (error) {
      if (error instanceof ConfigError) return { kind: 'refused', error }
      throw error
    }
  }

  const config = Object.defineProperties(
    {},
    Object.fromEntries(names.map(name => [name, { enumerable: true, get: () => current[name as keyof Config] }])),
  ) as Config
  return { config, look }
}

/** What is built from settings: again with the first use after one of them changed. */
export function builtFrom<const I extends readonly unknown[], T>(read: () => I, build: (...inputs: I) => T): () => T {
  let built: { inputs: I; value: T } | undefined
  return () => {
    const inputs = read()
    if (!built?.inputs.every((input, index) => input === inputs[index])) built = { inputs, value: build(...inputs) }
    return built.value
  }
}
