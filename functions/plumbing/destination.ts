import { functions } from '../index.ts'

/** A function's address inside the cluster, as the dispatcher writes it: `NAME.NAMESPACE.svc`, with or without a domain. */
const inCluster = /^([a-z0-9-]+)\.[a-z0-9-]+\.svc(\.[a-z0-9.-]+)?$/

/**
 * The function that a dead letter names as its destination: Knative's dispatcher writes the address, the local stand-in the name.
 * Only the name is taken of it, so that whoever can write a letter still cannot choose what is called.
 */
export function functionNameOf(destination: string | null): string | undefined {
  if (!destination) return undefined
  if (/^[a-z0-9-]+$/.test(destination)) return destination
  if (!/^https?:/.test(destination) || !URL.canParse(destination)) return undefined
  return inCluster.exec(new URL(destination).hostname)?.[1]
}

/** The same, if it is one of ours that handles events. */
export async function eventFunctionOf(destination: string | null): Promise<string | undefined> {
  const name = functionNameOf(destination)
  if (name === undefined || !Object.hasOwn(functions, name)) return undefined
  const declared = await functions[name]?.()
  return declared?.trigger && name
}
