/** What the gateway needs of `openapi.json`. */
export interface RoutedDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

export interface RouteTarget {
  readonly function: string
  readonly operation: string
  /** Milliseconds that the operation may take, where they are more than usual. */
  readonly deadline?: number
  /** A signature opens it, which the function checks, and no token. */
  readonly signed?: true
}

export type RouteMatch =
  | { readonly kind: 'found'; readonly target: RouteTarget }
  | { readonly kind: 'method_not_allowed'; readonly allow: readonly string[] }
  | { readonly kind: 'not_found' }

interface Described {
  readonly operationId: string
  readonly 'x-tidemark-function': string
  readonly 'x-tidemark-deadline'?: number
  readonly 'x-tidemark-signed'?: string
}

interface Node {
  readonly fixed: Map<string, Node>
  parameter?: Node
  readonly targets: Map<string, RouteTarget>
}

const node = (): Node => ({ fixed: new Map(), targets: new Map() })
const methods = new Set(['get', 'post', 'put', 'patch', 'delete'])

/** Finds the function of a path. A fixed segment goes before a parameter: `/orders/summary` is not an order's id. */
export function routeTable(document: RoutedDocument): (method: string, path: string) => RouteMatch {
  const root = node()
  for (const [path, operations] of Object.entries(document.paths)) {
    const leaf = path.split('/').slice(1).reduce(descend, root)
    for (const [method, operation] of Object.entries(operations)) {
      if (!methods.has(method)) continue
      const {
        operationId,
        'x-tidemark-function': name,
        'x-tidemark-deadline': deadline,
        'x-tidemark-signed': signed,
      } = operation as Described
      leaf.targets.set(method.toUpperCase(), {
        function: name,
        operation: operationId,
        ...(deadline && { deadline }),
        ...(signed && { signed: true }),
      })
    }
  }
  return (method, path) => {
    const leaf = find(root, path.split('/'), 1)
    if (!leaf) return { kind: 'not_found' }
    const target = leaf.targets.get(method)
    return target ? { kind: 'found', target } : { kind: 'method_not_allowed', allow: [...leaf.targets.keys()] }
  }
}

function descend(parent: Node, segment: string): Node {
  if (segment.startsWith('{')) {
    parent.parameter ??= node()
    return parent.parameter
  }
  let child = parent.fixed.get(segment)
  if (!child) {
    child = node()
    parent.fixed.set(segment, child)
  }
  return child
}

function find(at: Node, segments: readonly string[], index: number): Node | undefined {
  const segment = segments[index]
  if (segment === undefined) return at.targets.size > 0 ? at : undefined
  if (segment === '') return undefined
  const fixed = at.fixed.get(segment)
  return (fixed && find(fixed, segments, index + 1)) ?? (at.parameter && find(at.parameter, segments, index + 1))
}
