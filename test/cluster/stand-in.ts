/** A Knative Service of one of the programs of local/cluster, reachable from outside: what a user's own function would be. */
export function knativeService(program: { name: string; image: string; min?: number; max?: number; args?: string }): string {
  const { name, image, min = 0, max = 5 } = program
  return JSON.stringify({
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name },
    spec: {
      template: {
        metadata: {
          annotations: { 'autoscaling.knative.dev/min-scale': String(min), 'autoscaling.knative.dev/max-scale': String(max) },
        },
        spec: {
          automountServiceAccountToken: false,
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
