import { mkdirSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'

const root = fileURLToPath(new URL('../', import.meta.url))

export interface Rendering {
  readonly overlay: string
  readonly namespace: string
  /** The image of every function and of the stand-ins. */
  readonly images: { readonly tidemark: string; readonly 'tidemark-local'?: string }
  /** Settings that only this deployment knows, beside those of the overlay. */
  readonly settings: Readonly<Record<string, string>>
  readonly components: readonly string[]
  /** Where KafkaSources find their brokers, when not where the platform has them. */
  readonly brokers?: string
}

/**
 * Writes the kustomization that is applied: the overlay, with what a deployment decides. `kubectl apply -k` of the folder does the same.
 * @returns the folder
 */
export function render(rendering: Rendering, folder = join(root, '.tidemark/deploy', rendering.overlay)): string {
  const at = (path: string) => relative(folder, join(root, path))
  const { overlay, namespace, images, settings, components, brokers } = rendering
  const kustomization = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    namespace,
    resources: [at(`knative/overlays/${overlay}`)],
    ...(components.length > 0 && { components: components.map(name => at(`knative/components/${name}`)) }),
    images: Object.entries(images).map(([name, reference]) => ({ name, ...imageOf(reference) })),
    ...(Object.keys(settings).length > 0 && {
      configMapGenerator: [
        {
          name: 'tidemark',
          behavior: 'merge',
          options: { disableNameSuffixHash: true },
          literals: Object.entries(settings).map(([name, value]) => `${name}=${value}`),
        },
      ],
    }),
    ...(brokers && {
      patches: [
        {
          target: { kind: 'KafkaSource' },
          patch: JSON.stringify([{ op: 'replace', path: '/spec/bootstrapServers', value: brokers.split(',') }]),
        },
      ],
    }),
  }
  mkdirSync(folder, { recursive: true })
  writeFileSync(
    join(folder, 'kustomization.yaml'),
    `# Written by \`npm run deploy\`.\n${stringify(kustomization, { lineWidth: 0 })}`,
  )
  return folder
}

/** `NAME:TAG` or `NAME@DIGEST`, as kustomize has it. A colon before the last slash belongs to a port. */
export function imageOf(reference: string): { newName: string; newTag?: string; digest?: string } {
  const [name = '', digest] = reference.split('@')
  if (digest) return { newName: name.replace(/:[^/:]+$/, ''), digest }
  const [, newName = name, newTag] = /^(.*):([^/:]+)$/.exec(name) ?? []
  return { newName, ...(newTag && { newTag }) }
}
