import type { Kubectl } from './kubectl.ts'
import { podTroubles } from './pod-troubles.ts'

interface Condition {
  type: string
  status: 'True' | 'False' | 'Unknown'
  reason?: string
  message?: string
}

export interface KnativeService {
  metadata: { name: string; generation: number; labels?: Record<string, string> }
  spec: { traffic?: { latestRevision?: boolean; revisionName?: string; percent?: number }[] }
  status?: {
    observedGeneration?: number
    conditions?: Condition[]
    url?: string
    latestCreatedRevisionName?: string
    latestReadyRevisionName?: string
  }
}

/** A function's way to its newest revision: there, under way, or why not. */
export function stateOf(service: KnativeService): { ready: boolean; failed: boolean; reason: string } {
  const { metadata, status } = service
  if (!status || status.observedGeneration !== metadata.generation) return { ready: false, failed: false, reason: 'not seen yet' }
  const condition = status.conditions?.find(({ type }) => type === 'Ready')
  const newest = status.latestCreatedRevisionName === status.latestReadyRevisionName
  if (condition?.status === 'True' && newest) return { ready: true, failed: false, reason: '' }
  const reason = [condition?.reason, condition?.message].filter(Boolean).join(': ') || 'starting'
  // What was tried for as long as the revision may take does not get better by waiting.
  return { ready: false, failed: /ProgressDeadlineExceeded/.test(reason), reason: firstLine(reason) }
}

/** What every function goes through. */
const onItsWay = /^(not seen yet|starting|RevisionMissing|Uninitialized|IngressNotConfigured|Deploying|Unknown)/

const firstLine = (text: string): string => (text.split('\n')[0] as string).slice(0, 300)

export async function functionsOf(kubectl: Kubectl, namespace: string): Promise<KnativeService[]> {
  const list = await kubectl.get<{ items: KnativeService[] }>([
    'services.serving.knative.dev',
    ...['-n', namespace, '-l', 'app.kubernetes.io/part-of=tidemark'],
  ])
  return list?.items ?? []
}

/** Waits until every function runs its newest revision. Says who is waited for, and why, whenever that changes. */
export async function awaitFunctions(
  kubectl: Kubectl,
  options: { namespace: string; timeout: number; say: (line: string) => void },
): Promise<KnativeService[]> {
  const { namespace, timeout, say } = options
  const end = Date.now() + timeout
  const told = new Map<string, string>()
  let counted = -1
  for (;;) {
    const services = await functionsOf(kubectl, namespace)
    const waiting = services.map(service => ({ name: service.metadata.name, ...stateOf(service) })).filter(({ ready }) => !ready)
    const count = services.length - waiting.length
    if (count !== counted) say(`${count} of ${services.length} functions are ready`)
    counted = count
    if (services.length > 0 && waiting.length === 0) return services
    // Knative calls a revision that crashes "deploying" until its deadline: its pods know better.
    const troubles = new Map((await podTroubles(kubectl, namespace)).map(trouble => [trouble.name, trouble]))
    for (const service of waiting) {
      const trouble = troubles.get(service.name)
      if (trouble) Object.assign(service, { reason: trouble.reason, failed: service.failed || trouble.hopeless })
      const { name, reason } = service
      if (!onItsWay.test(reason) && told.get(name) !== reason) say(`  ${name}: ${reason}`)
      told.set(name, reason)
    }
    const failed = waiting.filter(({ failed }) => failed)
    if (failed.length > 0 || Date.now() > end) {
      const list = (failed.length > 0 ? failed : waiting).map(({ name, reason }) => `  ${name}: ${reason}`)
      throw new Error(
        `${list.length} of ${services.length} functions did not become ready; those that ran before still serve:\n${list.join('\n')}`,
      )
    }
    await new Promise(resolve => setTimeout(resolve, 1_000))
  }
}

/** Waits until every KafkaSource is served: its group has a place, and a dispatcher knows it. */
export async function awaitSources(
  kubectl: Kubectl,
  options: { namespace: string; timeout: number; say: (line: string) => void },
): Promise<void> {
  const end = Date.now() + options.timeout
  for (let told = -1; ; ) {
    const list = await kubectl.get<{ items: KnativeService[] }>(['kafkasources.sources.knative.dev', '-n', options.namespace])
    const waiting = (list?.items ?? []).filter(({ metadata, status }) => {
      const ready = status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True')
      return !ready || status?.observedGeneration !== metadata.generation
    })
    const count = (list?.items.length ?? 0) - waiting.length
    if (count !== told) options.say(`${count} of ${list?.items.length ?? 0} KafkaSources are ready`)
    told = count
    if (waiting.length === 0) return
    if (Date.now() > end) {
      const reasons = waiting.map(({ metadata, status }) => {
        const condition = status?.conditions?.find(({ status: is }) => is !== 'True')
        return `  ${metadata.name}: ${condition?.reason ?? 'not seen yet'} ${condition?.message ?? ''}`
      })
      throw new Error(`${waiting.length} KafkaSources did not become ready:\n${reasons.join('\n')}`)
    }
    await new Promise(resolve => setTimeout(resolve, 1_000))
  }
}

/** Traffic that somebody pinned by `kn service update --traffic`: a new revision gets none until that is undone. */
export const pinned = (services: readonly KnativeService[]): string[] =>
  services
    .filter(({ spec }) => spec.traffic?.some(({ latestRevision, percent }) => latestRevision === false && (percent ?? 0) > 0))
    .map(({ metadata }) => metadata.name)

/** Waits for a Job's end; a failed one's last words are the error. */
export async function awaitJob(kubectl: Kubectl, name: string, namespace: string, timeout: number): Promise<void> {
  const end = Date.now() + timeout
  for (;;) {
    const job = await kubectl.get<{ status?: { conditions?: Condition[] } }>(['job', name, '-n', namespace])
    const ended = (type: string) => job?.status?.conditions?.some(found => found.type === type && found.status === 'True')
    if (ended('Complete')) return
    if (ended('Failed') || Date.now() > end) {
      const words = await kubectl
        .run(['logs', `job/${name}`, '-n', namespace, '--tail=20', '--all-containers'])
        .catch((error: Error) => error.message)
      throw new Error(`The job ${name} did not succeed${ended('Failed') ? '' : ` within ${timeout / 1_000} s`}:\n${words.trim()}`)
    }
    await new Promise(resolve => setTimeout(resolve, 500))
  }
}
