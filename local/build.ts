import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { build } from 'esbuild'
import { cachedEntry, fillCompileCache } from './compile-cache.ts'
import { nodeModulesByRequire } from './node-modules-by-require.ts'
import { unusedPackages } from './unused-packages.ts'

/**
 * Bundles every function into `dist/`: one small entry, and a chunk for what each function needs.
 * Unbundled, a function's imports are some hundred files, and finding them takes several times longer than running them.
 */
export async function buildFunctions(outdir: URL): Promise<void> {
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
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    // ESM builds where a package has one: what is not used of them stays out.
    mainFields: ['module', 'main'],
    minifySyntax: true,
    minifyWhitespace: true,
    plugins: [nodeModulesByRequire, unusedPackages],
    sourcemap: 'linked',
    legalComments: 'none',
    logLevel: 'warning',
    outExtension: { '.js': '.mjs' },
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
  await fillCompileCache(outdir)
}

if (import.meta.main) {
  const outdir = new URL('../dist/', import.meta.url)
  const start = performance.now()
  await buildFunctions(outdir)
  console.log(`dist/ built in ${Math.round(performance.now() - start)} ms.`)
}
