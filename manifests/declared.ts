import { functions } from '../functions/index.ts'
import type { TidemarkFunction } from '../shared/function/declare.ts'
import type { Operation } from '../shared/function/operation.ts'

/** Every function's declaration, in the order of the registry. */
export async function declaredFunctions(): Promise<TidemarkFunction[]> {
  const declared = await Promise.all(Object.entries(functions).map(async ([name, load]) => ({ name, fn: await load() })))
  for (const { name, fn } of declared) {
    if (fn.name !== name) throw new Error(`functions/index.ts calls ${fn.name} ${name}.`)
  }
  return declared.map(({ fn }) => fn)
}

export const methodOf = (operation: Operation): string => (operation.route.split(' ')[0] as string).toLowerCase()
export const pathOf = (operation: Operation): string => operation.route.split(' ')[1] as string
export const parametersOf = (operation: Operation): string[] =>
  [...pathOf(operation).matchAll(/\{(\w+)\}/g)].map(match => match[1] as string)
