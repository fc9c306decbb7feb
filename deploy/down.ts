import type { Kubectl } from './kubectl.ts'

const consumerGroups = 'consumergroups.internal.kafka.eventing.knative.dev'
/** Milliseconds until a namespace must be gone. */
const timeout = 180_000

/**
 * Removes a namespace with all that is in it, and waits until it is gone. Where no dispatcher runs, nobody ever lets go of the groups that
 * KafkaSource's controller made for one, and the namespace would stay for ever: we let go of them ourselves.
 */
export async function removeNamespace(
  kubectl: Kubectl,
  namespace: string,
  { dispatches }: { dispatches: boolean },
): Promise<void> {
  if (!(await kubectl.get(['namespace', namespace]))) return
  await kubectl.run(['delete', 'namespace', namespace, '--wait=false'])
  // Nobody asks them any more: there is nothing to drain.
  await kubectl.run(['delete', 'pods', '--all', '-n', namespace, '--grace-period=1', '--wait=false'])
  const end = Date.now() + timeout
  while (await kubectl.get(['namespace', namespace])) {
    if (Date.now() > end) throw new Error(`The namespace ${namespace} is still there after ${timeout / 1_000} s.`)
    if (!dispatches) await letGo(kubectl, namespace)
    await new Promise(resolve => setTimeout(resolve, 1_000))
  }
}

async function letGo(kubectl: Kubectl, namespace: string): Promise<void> {
  const groups = await kubectl.get<{ items: { metadata: { name: string; deletionTimestamp?: string } }[] }>([
    consumerGroups,
    '-n',
    namespace,
  ])
  for (const { metadata } of groups?.items ?? []) {
    if (!metadata.deletionTimestamp) continue
    const patch = JSON.stringify({ metadata: { finalizers: [] } })
    // It may be gone meanwhile.
    await kubectl.run(['patch', consumerGroups, metadata.name, '-n', namespace, '--type=merge', '-p', patch]).catch(() => {})
  }
}
