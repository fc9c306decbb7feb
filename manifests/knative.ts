import { stringify } from 'yaml'
import type { z } from 'zod'
import type { TidemarkFunction } from '../shared/function/declare.ts'
import { configOf, nodeOptionsOf, platformConfig } from '../shared/function/start.ts'

const header = (fn: TidemarkFunction): string =>
  `# ${fn.summary}. Derived by \`npm run manifests\` from the declaration of ${fn.name}.\n`

/** A Knative Service for one function: what differs from the others stands here, what they share comes from components. */
export function knativeService(fn: TidemarkFunction): string {
  const { min, max, concurrency, timeout } = fn.scale
  const service = {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: {
      name: fn.name,
      labels: {
        'app.kubernetes.io/name': fn.name,
        'app.kubernetes.io/part-of': 'tidemark',
        ...(fn.visibility === 'cluster-local' && { 'networking.knative.dev/visibility': 'cluster-local' }),
      },
    },
    spec: {
      template: {
        metadata: {
          annotations: {
            'autoscaling.knative.dev/min-scale': String(min),
            'autoscaling.knative.dev/max-scale': String(max),
            ...(min === 0 && { 'autoscaling.knative.dev/initial-scale': '0' }),
          },
        },
        spec: {
          containerConcurrency: concurrency,
          timeoutSeconds: timeout,
          automountServiceAccountToken: false,
          containers: [
            {
              image: 'tidemark',
              args: [fn.name],
              ports: [{ containerPort: 8080 }],
              ...(environment(fn).length > 0 && { env: environment(fn) }),
              readinessProbe: { httpGet: { path: '/health/readiness' } },
              livenessProbe: { httpGet: { path: '/health/liveness' } },
            },
          ],
        },
      },
    },
  }
  return header(fn) + stringify(service, { lineWidth: 0 }) + (fn.schedule ? `---\n${pingSource(fn)}` : '')
}

/** Only what the function declares: each secret by its own reference, settings from the shared ConfigMap, standards left out. */
function environment(fn: TidemarkFunction): { name: string }[] {
  const variables = Object.entries(configOf(fn).shape).filter(([name]) => !Object.hasOwn(platformConfig.shape, name)) as [
    string,
    z.ZodType,
  ][]
  const options = nodeOptionsOf(fn)
  const derived = variables.flatMap(([name, schema]): { name: string; value?: string; valueFrom?: object }[] => {
    if (name === 'CLIENT_ID') return [{ name, value: fn.name }]
    if (name === 'CLIENT_SECRET') return [{ name, valueFrom: { secretKeyRef: { name: `client-${fn.name}`, key: 'secret' } } }]
    const optional = schema.safeParse(undefined).success
    if ((schema.meta() as { secret?: boolean } | undefined)?.secret) {
      return [{ name, valueFrom: { secretKeyRef: { name: secretName(name), key: name, ...(optional && { optional }) } } }]
    }
    return optional ? [] : [{ name, valueFrom: { configMapKeyRef: { name: 'tidemark', key: name } } }]
  })
  return options ? [...derived, { name: 'NODE_OPTIONS', value: options }] : derived
}

/** `ORDERS_DATABASE_URL` → `orders-database`: one Secret a thing, so that one can be given without the others. */
const secretName = (variable: string): string =>
  variable
    .toLowerCase()
    .replace(/_url$/, '')
    .replaceAll('_', '-')
    .replace(/^aws-.*/, 'aws')

function pingSource(fn: TidemarkFunction): string {
  return stringify({
    apiVersion: 'sources.knative.dev/v1',
    kind: 'PingSource',
    metadata: { name: fn.name },
    spec: {
      schedule: fn.schedule?.cron,
      timezone: 'UTC',
      sink: { ref: { apiVersion: 'serving.knative.dev/v1', kind: 'Service', name: fn.name } },
    },
  })
}

export const kustomization = (resources: readonly string[]): string =>
  `# Derived by \`npm run manifests\`.\n${stringify({ apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization', resources })}`
