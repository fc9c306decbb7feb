import type { Kubectl } from './kubectl.ts'

interface ContainerStatus {
  name: string
  restartCount: number
  ready?: boolean
  state?: { waiting?: { reason?: string; message?: string } }
  lastState?: { terminated?: { exitCode: number; reason?: string; message?: string } }
}

interface PodStatus {
  metadata: { labels?: Record<string, string>; deletionTimestamp?: string }
  status: { containerStatuses?: ContainerStatus[] }
}

export interface Trouble {
  /** The function. */
  readonly name: string
  readonly reason: string
  /** Tried often enough: it will not start by itself. */
  readonly hopeless: boolean
}

const bad = /^(CrashLoopBackOff|ErrImagePull|ImagePullBackOff|InvalidImageName|CreateContainerConfigError|CreateContainerError)$/
/** Starts after which a container that ends at once is given up: about two minutes of back-off. */
const startsLimit = 5

/** Functions whose pods cannot start, and the last words of the container. */
export async function podTroubles(kubectl: Kubectl, namespace: string): Promise<Trouble[]> {
  const list = await kubectl.get<{ items: PodStatus[] }>(['pods', '-n', namespace, '-l', 'serving.knative.dev/service'])
  return (list?.items ?? []).flatMap(({ metadata, status }) => {
    if (metadata.deletionTimestamp) return []
    const name = metadata.labels?.['serving.knative.dev/service'] ?? ''
    return (status.containerStatuses ?? [])
      .filter(isBad)
      .map(container => ({ name, reason: reasonOf(container), hopeless: container.restartCount >= startsLimit }))
  })
}

/** Between two starts it waits; in the middle of one it runs, and has ended before. */
const isBad = ({ state, lastState, ready }: ContainerStatus): boolean =>
  bad.test(state?.waiting?.reason ?? '') || (ready === false && lastState?.terminated !== undefined)

function reasonOf({ state, lastState }: ContainerStatus): string {
  const ended = lastState?.terminated
  const words = ended?.message ?? state?.waiting?.message ?? ''
  const told = words.trim().split('\n').slice(0, 3).join(' ').slice(0, 300)
  return `${ended ? `ended with ${ended.exitCode}${ended.reason === 'OOMKilled' ? ' (out of memory)' : ''}` : state?.waiting?.reason}: ${told}`
}
