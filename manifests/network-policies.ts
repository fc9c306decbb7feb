/**
 * What Kubernetes' NetworkPolicies let through, as the API defines it: a pod that no policy selects for a direction is open in it; one
 * that is selected is closed but for what any of those policies allows; a connection needs the sender's leave and the receiver's.
 * Ports are numbers, and addresses are those of the rules' own blocks: enough to prove this project's policies, and it refuses the rest.
 */
export interface Pod {
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
}
/** Somewhere outside the cluster. */
export interface Address {
  readonly address: string
}
export type End = Pod | Address

export interface Selector {
  matchLabels?: Record<string, string>
  matchExpressions?: { key: string; operator: string; values?: string[] }[]
}
export interface Peer {
  podSelector?: Selector
  namespaceSelector?: Selector
  ipBlock?: { cidr: string; except?: string[] }
}
export interface Rule {
  from?: Peer[]
  to?: Peer[]
  ports?: { port?: number; protocol?: string }[]
}
export interface NetworkPolicy {
  kind: 'NetworkPolicy'
  metadata: { name: string; namespace: string }
  spec: { podSelector: Selector; policyTypes: ('Ingress' | 'Egress')[]; ingress?: Rule[]; egress?: Rule[] }
}

export interface Cluster {
  readonly policies: readonly NetworkPolicy[]
  /** Labels of each namespace but its name, which Kubernetes adds. */
  readonly namespaces?: Readonly<Record<string, Record<string, string>>>
}

/** Whether `from` can open a connection to a port of `to`. */
export function isAllowed(cluster: Cluster, from: End, to: End, port: number, protocol = 'TCP'): boolean {
  return direction(cluster, 'Egress', from, to, port, protocol) && direction(cluster, 'Ingress', to, from, port, protocol)
}

function direction(cluster: Cluster, type: 'Ingress' | 'Egress', pod: End, other: End, port: number, protocol: string): boolean {
  if (!('namespace' in pod)) return true
  const selecting = cluster.policies.filter(
    ({ metadata, spec }) =>
      metadata.namespace === pod.namespace && spec.policyTypes.includes(type) && matches(spec.podSelector, pod.labels),
  )
  if (selecting.length === 0) return true
  return selecting.some(({ metadata, spec }) =>
    ((type === 'Ingress' ? spec.ingress : spec.egress) ?? []).some(rule => {
      const peers = type === 'Ingress' ? rule.from : rule.to
      const isPort = !rule.ports || rule.ports.some(open => (open.port ?? port) === port && (open.protocol ?? 'TCP') === protocol)
      return isPort && (!peers || peers.some(peer => isPeer(cluster, peer, other, metadata.namespace)))
    }),
  )
}

function isPeer(cluster: Cluster, peer: Peer, end: End, home: string): boolean {
  if (peer.ipBlock) return 'address' in end && isWithin(end.address, peer.ipBlock)
  if (!('namespace' in end)) return false
  const inNamespace = peer.namespaceSelector
    ? matches(peer.namespaceSelector, {
        ...cluster.namespaces?.[end.namespace],
        'kubernetes.io/metadata.name': end.namespace,
      })
    : end.namespace === home
  return inNamespace && matches(peer.podSelector ?? {}, end.labels)
}

export function matches(selector: Selector, labels: Readonly<Record<string, string>>): boolean {
  const equal = Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value)
  return equal && (selector.matchExpressions ?? []).every(expression => holds(expression, labels))
}

function holds(
  { key, operator, values = [] }: { key: string; operator: string; values?: string[] },
  labels: Readonly<Record<string, string>>,
) {
  const value = labels[key]
  if (operator === 'Exists') return value !== undefined
  if (operator === 'DoesNotExist') return value === undefined
  if (operator === 'In') return value !== undefined && values.includes(value)
  if (operator === 'NotIn') return value === undefined || !values.includes(value)
  throw new Error(`The operator ${operator} is none of Kubernetes'.`)
}

function isWithin(address: string, block: { cidr: string; except?: string[] }): boolean {
  return contains(block.cidr, address) && !(block.except ?? []).some(cidr => contains(cidr, address))
}

/** IPv4 only: an IPv6 block holds none of the addresses asked about. */
function contains(cidr: string, address: string): boolean {
  const [network = '', bits = '32'] = cidr.split('/')
  if (network.includes(':')) return false
  const width = 2 ** (32 - Number(bits))
  return Math.floor(numberOf(network) / width) === Math.floor(numberOf(address) / width)
}

const numberOf = (address: string): number => address.split('.').reduce((number, byte) => number * 256 + Number(byte), 0)
