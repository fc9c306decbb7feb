/** A Knative Service of one of the programs of local/cluster, reachable from outside: what a user's own function would be. */
export function knativeService(program: {
  name: string
  image: string
  min?: number
  max?: number
  args?: string
  annotations?: Record<string, string>
  /** Whether the pod gets a token of its namespace's service account, as one that nobody asked gets. */
  token?: boolean
}): string {
  const { name, image, min = 0, max = 5, annotations, token = false } = program
  return JSON.stringify({
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name },
    spec: {
      template: {
        metadata: {
          annotations: {
            'autoscaling.knative.dev/min-scale': String(min),
            'autoscaling.knative.dev/max-scale': String(max),
            ...annotations,
          },
        },
        spec: {
          ...(!token && { automountServiceAccountToken: false }),
          containers: [
            {
              image,
              args: [program.args ?? name],
              ports: [{ containerPort: 8080 }],
              resources: { requests: { cpu: '5m', memory: '32Mi' } },
              readinessProbe: { httpGet: { path: '/health/readiness' } },
              securityContext: {
                runAsNonRoot: true,
                readOnlyRootFilesystem: true,
                allowPrivilegeEscalation: false,
                capabilities: { drop: ['ALL'] },
                seccompProfile: { type: 'RuntimeDefault' },
              },
            },
          ],
        },
      },
    },
  })
}
