import { BlockList } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Kubectl } from './kubectl.ts'

/** What a cluster must have, and what brings it. */
const needed: Record<string, string> = {
  'services.serving.knative.dev': 'Knative Serving',
  'brokers.eventing.knative.dev': 'Knative Eventing',
  'kafkasources.sources.knative.dev': 'the KafkaSource of Knative’s extension for Kafka',
}

export interface Cluster {
  readonly version: string
  /** Whether somebody serves KafkaSources. Without it they are accepted, and nothing is delivered. */
  readonly dispatches: boolean
}

/** Asks a cluster for what the system stands on; says everything that is missing. */
export async function inspectCluster(kubectl: Kubectl): Promise<Cluster> {
  const { serverVersion } = JSON.parse(await kubectl.run(['version', '-o', 'json', '--request-timeout=10s'])) as {
    serverVersion: { gitVersion: string }
  }
  const present = (await kubectl.run(['get', 'crd', '-o', 'name'])).split('\n').map(line => line.split('/')[1])
  const missing = Object.entries(needed).filter(([name]) => !present.includes(name))
  if (missing.length > 0) {
    throw new Error(
      `The cluster lacks ${missing.map(([name, what]) => `${what} (${name})`).join(', ')}.\nknative/platform/README.md says how it gets there.`,
    )
  }
  const dispatcher = await kubectl.get(['statefulset', 'kafka-source-dispatcher', '-n', 'knative-eventing'])
  return { version: serverVersion.gitVersion, dispatches: dispatcher !== undefined }
}

interface Addresses {
  items: { status: { addresses: { type: string; address: string }[] } }[]
}

/** The address of this machine in the network of the cluster's nodes, where pods reach it: a node itself, or a bridge's end. */
export async function machineAddress(kubectl: Kubectl): Promise<string | undefined> {
  const nodes = await kubectl.get<Addresses>(['nodes'])
  const internal = (nodes?.items ?? []).flatMap(({ status }) =>
    status.addresses.filter(({ type }) => type === 'InternalIP').map(({ address }) => address),
  )
  const own = Object.values(networkInterfaces()).flatMap(list => list ?? [])
  return own.find(
    ({ family, internal: loopback, cidr }) => family === 'IPv4' && !loopback && cidr && internal.some(node => isIn(cidr, node)),
  )?.address
}

function isIn(cidr: string, address: string): boolean {
  const [network = '', prefix = '32'] = cidr.split('/')
  const list = new BlockList()
  list.addSubnet(network, Number(prefix), 'ipv4')
  return list.check(address, 'ipv4')
}

interface Exposed {
  spec: { type: string; ports: { port: number; nodePort?: number }[] }
  status: { loadBalancer?: { ingress?: { ip?: string; hostname?: string }[] } }
}

/** Where the ingress takes requests: a load balancer's address, else a port of a node. */
export async function ingressUrl(kubectl: Kubectl): Promise<string | undefined> {
  if (process.env.TIDEMARK_INGRESS_URL) return process.env.TIDEMARK_INGRESS_URL
  const service = await kubectl.get<Exposed>(['service', 'kourier', '-n', 'kourier-system'])
  const balancer = service?.status.loadBalancer?.ingress?.[0]
  if (balancer) return `http://${balancer.ip ?? balancer.hostname}`
  const port = service?.spec.ports.find(({ port }) => port === 80)?.nodePort
  if (!port) return undefined
  const own = await machineAddress(kubectl)
  const nodes = await kubectl.get<Addresses>(['nodes'])
  const node = nodes?.items.flatMap(({ status }) => status.addresses).find(({ type }) => type === 'InternalIP')?.address
  // A node that is this machine may open its ports on loopback alone.
  return `http://${own !== undefined && own === node ? '127.0.0.1' : node}:${port}`
}
