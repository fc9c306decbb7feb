import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { build } from 'esbuild'
import { bundling } from './bundle.ts'
import { cachedEntry, fillCompileCache } from './compile-cache.ts'

/**
 * Bundles every function into `dist/`: one small entry, and a chunk for what each function needs.
 * Unbundled, a function's imports are some hundred files, and finding them takes several times longer than running them.
 */
export async function buildFunctions(outdir: URL): Promise<void> {
  await bundleFunctions(outdir)
  await fillCompileCache(outdir)
}

/** The bundle alone, which is the same for the same sources. What V8 compiles of it differs a little from run to run. */
export async function bundleFunctions(outdir: URL): Promise<void> {
  const root = new URL('../', import.meta.url)
  await rm(outdir, { recursive: true, force: true })
  await build({
    entryPoints: {
      function: new URL('main.ts', root).pathname,
      // Entries of their own, so that the compile cache can be filled by them.
      functions: new URL('functions/index.ts', root).pathname,
      start: new URL('shared/function/start.ts', root).pathname,
    },
    outdir: outdir.pathname,
    ...bundling,
    sourcemap: 'linked',
    // Loaded by path at run time: the files of the API reference.
    external: ['swagger-ui-dist'],
  })
  await mkdir(outdir, { recursive: true })
  await writeFile(new URL('main.mjs', outdir), cachedEntry)
  await cp(new URL('shared/data/migrations/', root), new URL('migrations/', outdir), { recursive: true })
  // The gateway serves the API reference from these two files of the package.
  for (const file of ['package.json', 'swagger-ui.css', 'swagger-ui-bundle.js']) {
    const path = `node_modules/swagger-ui-dist/${file}`
    await cp(new URL(path, root), new URL(path, outdir))
  }
  const { name, version } = JSON.parse(await readFile(new URL('package.json', root), 'utf8')) as { name: string; version: string }
  await writeFile(new URL('package.json', outdir), `${JSON.stringify({ name, version, type: 'module' })}\n`)
}

if (import.meta.main) {
  const outdir = new URL('../dist/', import.meta.url)
  const start = performance.now()
  await buildFunctions(outdir)
  console.log(`dist/ built in ${Math.round(performance.now() - start)} ms.`)
}
