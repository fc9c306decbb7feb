import { rm } from 'node:fs/promises'
import { build } from 'esbuild'
import { bundling } from './bundle.ts'

/** Bundles the stand-ins that a test deploys into a cluster: one entry, and a chunk for what each of them needs. */
export async function bundleCluster(outdir: URL): Promise<void> {
  await rm(outdir, { recursive: true, force: true })
  await build({
    ...bundling,
    entryPoints: { main: new URL('cluster/main.ts', import.meta.url).pathname },
    outdir: outdir.pathname,
  })
}
