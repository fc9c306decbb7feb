import { ingressUrl } from './cluster.ts'
import type { Kubectl } from './kubectl.ts'
import { awaitFunctions, awaitJob, awaitSources, type KnativeService, pinned } from './readiness.ts'
import { apply, type Resource, readResources } from './resources.ts'

export interface Deployment {
  readonly kubectl: Kubectl
  /** The kustomization that is applied. */
  readonly folder: string
  readonly namespace: string
  /** Whether somebody serves KafkaSources, so that they become ready. */
  readonly dispatches: boolean
  /** Made first. Elsewhere than on one's own machine they are there already. */
  readonly secrets?: readonly object[]
  /** Milliseconds until every function must be ready. */
  readonly timeout: number
  /** Whether traffic that somebody pinned to an earlier revision is meant to stay there. */
  readonly keepTraffic: boolean
  readonly say: (line: string) => void
}

export interface Deployed {
  readonly functions: readonly KnativeService[]
  /** The gateway's host name at the ingress. */
  readonly host: string
  readonly ingress: string | undefined
}

/** Jobs that run before the functions, one after the other. */
const jobs = [
  { name: 'prepare', done: 'databases and topics are there' },
  { name: 'migrate', done: 'the databases are migrated' },
]
/** What an earlier deployment may have left: of functions that are declared no more. */
const pruned = [
  'services.serving.knative.dev',
  'kafkasources.sources.knative.dev',
  'pingsources.sources.knative.dev',
  'brokers.eventing.knative.dev',
]

/** Brings a cluster to what the kustomization says, and waits until all of it works. Can be stopped and repeated at any point. */
export async function deploy(deployment: Deployment): Promise<Deployed> {
  const { kubectl, namespace, say } = deployment
  const deadline = Date.now() + deployment.timeout
  const left = () => Math.max(deadline - Date.now(), 1_000)
  const resources = readResources(await kubectl.run(['kustomize', deployment.folder]))
  const of = (...kinds: string[]) => resources.filter(({ kind }) => kinds.includes(kind))

  await ensureNamespace(kubectl, namespace, of('Namespace'))
  await apply(kubectl, [...(deployment.secrets ?? []), ...of('ConfigMap', 'ServiceAccount')])
  say(`namespace ${namespace}: settings${deployment.secrets ? ' and secrets' : ''} are there`)
  for (const { name, done } of jobs) {
    const job = of('Job').filter(({ metadata }) => metadata.name === name)
    if (job.length === 0) continue
    // A Job cannot be changed: one of another image is made anew.
    await kubectl.run(['delete', 'job', name, '-n', namespace, '--ignore-not-found', '--wait'])
    await apply(kubectl, job)
    await awaitJob(kubectl, name, namespace, left())
    say(done)
  }
  const rest = resources.filter(({ kind }) => kind !== 'Job')
  await apply(kubectl, rest)
  say(`${rest.length} objects are applied`)
  await prune(kubectl, namespace, resources, say)
  await awaitStandIns(kubectl, namespace, of('Deployment'), left)
  const functions = await awaitFunctions(kubectl, { namespace, timeout: left(), say })
  if (deployment.dispatches) await awaitSources(kubectl, { namespace, timeout: left(), say })
  const held = pinned(functions).map(name => `${name}: kn service update ${name} -n ${namespace} --traffic @latest=100`)
  if (held.length > 0) {
    const told = `The new revisions are ready and get no traffic, for it is pinned. To give it to them:\n  ${held.join('\n  ')}`
    if (!deployment.keepTraffic) throw new Error(`${told}\nWith --keep-traffic that is as it should be.`)
    say(told)
  }
  const gateway = functions.find(({ metadata }) => metadata.name === 'gateway')
  return { functions, host: new URL(gateway?.status?.url ?? 'http://gateway').host, ingress: await ingressUrl(kubectl) }
}

async function ensureNamespace(kubectl: Kubectl, namespace: string, own: readonly Resource[]): Promise<void> {
  if (own.length > 0) return apply(kubectl, own)
  if (await kubectl.get(['namespace', namespace])) return
  throw new Error(`There is no namespace ${namespace}: kubectl apply -k knative/platform/namespaces makes it.`)
}

async function prune(
  kubectl: Kubectl,
  namespace: string,
  resources: readonly Resource[],
  say: (line: string) => void,
): Promise<void> {
  const wanted = new Set(resources.map(({ kind, metadata }) => `${kind}/${metadata.name}`))
  const found = await kubectl.get<{ items: Resource[] }>([
    pruned.join(','),
    ...['-n', namespace, '-l', 'app.kubernetes.io/part-of=tidemark'],
  ])
  for (const { kind, apiVersion, metadata } of found?.items ?? []) {
    if (wanted.has(`${kind}/${metadata.name}`)) continue
    await kubectl.run(['delete', `${kind}.${apiVersion.split('/')[0]}`, metadata.name, '-n', namespace, '--wait=false'])
    say(`removed: ${kind} ${metadata.name}, which is declared no more`)
  }
}

async function awaitStandIns(
  kubectl: Kubectl,
  namespace: string,
  deployments: readonly Resource[],
  left: () => number,
): Promise<void> {
  for (const { metadata } of deployments) {
    const seconds = Math.ceil(left() / 1_000)
    await kubectl.run(['rollout', 'status', `deployment/${metadata.name}`, '-n', namespace, `--timeout=${seconds}s`], {
      timeout: seconds * 1_000 + 5_000,
    })
  }
}
