import { readdirSync } from 'node:fs'
import { parseArgs } from 'node:util'

export interface DeployOptions {
  readonly overlay: string
  readonly namespace: string
  /** A reference that the cluster can pull. Built and loaded here when there is none. */
  readonly image?: string
  readonly context?: string
  /** Milliseconds until every function must be ready. */
  readonly timeout: number
  readonly keepTraffic: boolean
  readonly render: boolean
  readonly down: boolean
}

export class UsageError extends Error {}

export const overlays = (): string[] => readdirSync(new URL('../knative/overlays/', import.meta.url)).sort()

export const usage = (): string => `npm run deploy -- --overlay NAME [flags]

Brings a cluster with Knative from nothing, or from any earlier state, to a working system, and says how to reach it. Safe to repeat.

  --overlay NAME     ${overlays().join(', ')}
  --image REF        the functions' image, by digest where it counts (NAME@sha256:…); without it, the image is built here and loaded
                     into the cluster (kind, k3d, minikube, or containerd on this machine)
  --namespace NAME   default tidemark
  --context NAME     of the kubeconfig; default its current one
  --timeout SECONDS  until every function must be ready (default 600)
  --keep-traffic     traffic that is pinned to earlier revisions is meant to be: ready is enough
  --render           writes what would be applied to .tidemark/deploy/NAME and prints it; applies nothing
  --down             removes the namespace and, of the local overlay, the services on this machine
  --help

The local overlay stands on Postgres, Redis, Kafka, a schema registry and a mail server that are started on this machine, where pods can
reach them; one that already runs is used when its address is given: TIDEMARK_POSTGRES_URL, TIDEMARK_REDIS_URL, TIDEMARK_KAFKA_BROKERS,
TIDEMARK_REGISTRY_URL, TIDEMARK_SES_URL. Exit status: 0 all is ready, 1 not, 2 wrong usage.`

export function readOptions(args: readonly string[]): DeployOptions | 'help' {
  const { values } = parsed(args)
  if (values.help) return 'help'
  if (!values.overlay) throw new UsageError(`--overlay is missing: ${overlays().join(', ')}`)
  if (!overlays().includes(values.overlay))
    throw new UsageError(`--overlay ${values.overlay}: there are ${overlays().join(', ')}`)
  if (!/^[1-9]\d{0,4}$/.test(values.timeout)) throw new UsageError('--timeout must be a whole number of seconds above 0')
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(values.namespace)) {
    throw new UsageError('--namespace must be a name as Kubernetes takes it: lower-case letters, digits and dashes')
  }
  if (values.image !== undefined && !/^[^\s:@]\S*[:@]\S+$/.test(values.image)) {
    throw new UsageError('--image must name a tag or a digest: NAME:TAG or NAME@sha256:…')
  }
  if (values.overlay !== 'local' && !values.image && !values.down) {
    throw new UsageError(`--image is missing: ${values.overlay} runs what was built and tested, not what lies here`)
  }
  return {
    overlay: values.overlay,
    namespace: values.namespace,
    ...(values.image && { image: values.image }),
    ...(values.context && { context: values.context }),
    timeout: Number(values.timeout) * 1_000,
    keepTraffic: values['keep-traffic'],
    render: values.render,
    down: values.down,
  }
}

function parsed(args: readonly string[]) {
  const flag = { type: 'boolean', default: false } as const
  const text = { type: 'string' } as const
  try {
    return parseArgs({
      args: [...args],
      options: {
        ...{ overlay: text, image: text, context: text },
        namespace: { ...text, default: 'tidemark' },
        timeout: { ...text, default: '600' },
        ...{ 'keep-traffic': flag, render: flag, down: flag, help: flag },
      },
    })
  } catch (cause) {
    throw new UsageError((cause as Error).message, { cause })
  }
}
