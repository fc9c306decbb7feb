import { stringify } from 'yaml'
import type { TidemarkFunction } from '../shared/function/declare.ts'
import { databases, splitUse } from '../shared/function/resources.ts'
import { configOf, nodeOptionsOf } from '../shared/function/start.ts'
import { settingsVolume } from './settings-volume.ts'

const header = (fn: TidemarkFunction): string =>
  `# ${fn.summary}. Derived by \`npm run manifests\` from the declaration of ${fn.name}.\n`

const yaml = (document: unknown): string => stringify(document, { lineWidth: 0, aliasDuplicateObjects: false })

/** Requests: what the scheduler keeps free. No limit of CPU: it would slow the cold start, and an idle function uses none. */
const resourcesOf = ({ scale }: TidemarkFunction) => ({
  requests: scale.min > 0 ? { cpu: '250m', memory: '192Mi' } : { cpu: '50m', memory: '96Mi' },
  limits: { memory: `${scale.memory ?? 256}Mi` },
})

/** The least that a process of ours needs. The pod security standard "restricted" asks for most of it. */
const securityContext = {
  runAsNonRoot: true,
  readOnlyRootFilesystem: true,
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
}

/** A Knative Service for one function. */
export function knativeService(fn: TidemarkFunction): string {
  const env = environment(fn)
  const volume = settingsVolume(fn)
  const service = {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: {
      name: fn.name,
      labels: {
        ...ownLabels(fn.name),
        ...(fn.visibility === 'cluster-local' && { 'networking.knative.dev/visibility': 'cluster-local' }),
      },
    },
    spec: {
      template: {
        metadata: { labels: { ...ownLabels(fn.name), ...useLabels(fn) }, annotations: scaling(fn) },
        spec: {
          containerConcurrency: fn.scale.concurrency,
          timeoutSeconds: fn.scale.timeout,
          serviceAccountName: 'tidemark',
          automountServiceAccountToken: false,
          containers: [
            {
              image: 'tidemark',
              args: [fn.name],
              ports: [{ containerPort: 8080 }],
              ...(env.length > 0 && { env }),
              resources: resourcesOf(fn),
              securityContext,
              volumeMounts: [{ name: volume.name, mountPath: '/etc/tidemark', readOnly: true }],
              // Without a period queue-proxy asks every few milliseconds until the first success: a cold start waits for no tick.
              readinessProbe: { httpGet: { path: '/health/readiness' } },
              livenessProbe: { httpGet: { path: '/health/liveness' }, periodSeconds: 10, timeoutSeconds: 3 },
            },
          ],
          volumes: [volume],
        },
      },
    },
  }
  return header(fn) + yaml(service) + (fn.schedule ? `---\n${pingSource(fn)}` : '')
}

const ownLabels = (name: string) => ({ 'app.kubernetes.io/name': name, 'app.kubernetes.io/part-of': 'tidemark' })

/** What the network policies go by: who uses nothing reaches nothing. */
function useLabels(fn: TidemarkFunction): Record<string, string> {
  const { uses, providers } = fn
  const named = {
    ...({ db: 'postgres', replica: 'postgres', call: 'functions' } as const),
    ...({ redis: 'redis', cache: 'redis', kafka: 'kafka', registry: 'registry' } as const),
  }
  const kinds: Set<string> = new Set(uses.map(use => named[splitUse(use).kind]))
  // The gateway and the replay of dead letters find functions by name, without calling any one of them by `uses`.
  if (Object.hasOwn(configOf(fn).shape, 'FUNCTION_URL')) kinds.add('functions')
  if (providers.length > 0) kinds.add('internet')
  return Object.fromEntries([...kinds].sort().map(kind => [`tidemark.dev/uses-${kind}`, 'true']))
}

/**
 * No `initial-scale: 0`: a new revision starts one instance before it is given traffic, so one that cannot start never gets any.
 * What is pinned warm is asked directly (`target-burst-capacity: 0`): the activator would be one more hop of every sale.
 */
function scaling({ scale }: TidemarkFunction): Record<string, string> {
  const { min, max, target, scaleDownDelay, retention } = scale
  const annotations = {
    'min-scale': String(min),
    'max-scale': String(max),
    ...(target && { target: String(target) }),
    ...(min > 0 && { 'target-burst-capacity': '0' }),
    ...(scaleDownDelay && { 'scale-down-delay': `${scaleDownDelay}s` }),
    ...(retention && { 'scale-to-zero-pod-retention-period': `${retention}s` }),
  }
  return {
    ...Object.fromEntries(Object.entries(annotations).map(([name, value]) => [`autoscaling.knative.dev/${name}`, value])),
    'serving.knative.dev/progress-deadline': '300s',
  }
}

/** Settings and secrets are mounted files; the environment holds what belongs to the process. */
function environment(fn: TidemarkFunction): { name: string; value: string }[] {
  const options = nodeOptionsOf(fn)
  return [
    ...(fn.uses.some(use => splitUse(use).kind === 'call') ? [{ name: 'CLIENT_ID', value: fn.name }] : []),
    ...(options ? [{ name: 'NODE_OPTIONS', value: options }] : []),
  ]
}

function pingSource(fn: TidemarkFunction): string {
  return yaml({
    apiVersion: 'sources.knative.dev/v1',
    kind: 'PingSource',
    metadata: { name: fn.name, labels: ownLabels(fn.name) },
    spec: {
      schedule: fn.schedule?.cron,
      timezone: 'UTC',
      sink: { ref: { apiVersion: 'serving.knative.dev/v1', kind: 'Service', name: fn.name } },
    },
  })
}

/**
 * Brings the databases to what the image needs; a function is not ready before. A Job cannot be changed, so a finished one is removed
 * after five minutes, and the next `apply` makes it anew.
 */
export function migrationJob(): string {
  const labels = { ...ownLabels('migrate'), 'app.kubernetes.io/component': 'migration' }
  const sources = databases.map(name => {
    const key = `${name.toUpperCase()}_DATABASE_URL`
    return { secret: { name: `${name}-database`, items: [{ key, path: key }] } }
  })
  const job = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'migrate', labels },
    spec: {
      backoffLimit: 6,
      activeDeadlineSeconds: 900,
      ttlSecondsAfterFinished: 300,
      template: {
        metadata: { labels: { ...labels, 'tidemark.dev/uses-postgres': 'true' } },
        spec: {
          restartPolicy: 'OnFailure',
          serviceAccountName: 'tidemark',
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          containers: [
            {
              name: 'migrate',
              image: 'tidemark',
              args: ['migrate'],
              resources: { requests: { cpu: '50m', memory: '96Mi' }, limits: { memory: '256Mi' } },
              securityContext,
              volumeMounts: [{ name: 'settings', mountPath: '/etc/tidemark', readOnly: true }],
            },
          ],
          volumes: [{ name: 'settings', projected: { sources } }],
        },
      },
    },
  }
  return `# Brings every database to the newest migration. Derived by \`npm run manifests\`.\n${yaml(job)}`
}

/** What every pod runs as: an account that may ask the API server nothing, and is not given its token. */
export const serviceAccount = (): string =>
  `# Derived by \`npm run manifests\`.\n${yaml({
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'tidemark', labels: { 'app.kubernetes.io/part-of': 'tidemark' } },
    automountServiceAccountToken: false,
  })}`

export const kustomization = (resources: readonly string[]): string =>
  `# Derived by \`npm run manifests\`.\n${stringify({ apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization', resources })}`
