import { parseAllDocuments } from 'yaml'
import type { Kubectl } from './kubectl.ts'

/** A Kubernetes object, of which only its name is looked at. */
export interface Resource {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Record<string, string> }
}

/** What `kubectl kustomize` prints. */
export const readResources = (rendered: string): Resource[] =>
  parseAllDocuments(rendered)
    .map(document => document.toJS() as Resource | null)
    .filter(resource => resource !== null)

/**
 * Server-side, so that fields which we do not set stay with who set them (traffic that somebody pinned), and a field that we no longer
 * set goes.
 */
export async function apply(kubectl: Kubectl, items: readonly object[]): Promise<void> {
  if (items.length === 0) return
  await kubectl.run(['apply', '--server-side', '--force-conflicts', '--field-manager=tidemark-deploy', '-f', '-'], {
    input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
    timeout: 180_000,
  })
}
