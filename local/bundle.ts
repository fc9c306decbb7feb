import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type { BuildOptions } from 'esbuild'
import { nodeModulesByRequire } from './node-modules-by-require.ts'
import { unusedPackages } from './unused-packages.ts'
import { youngClosures } from './young-closures.ts'

/** How programs of this project are bundled for Node. */
export const bundling = {
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  // ESM builds where a package has one: what is not used of them stays out.
  mainFields: ['module', 'main'],
  minifySyntax: true,
  minifyWhitespace: true,
  plugins: [nodeModulesByRequire, unusedPackages, youngClosures],
  legalComments: 'none',
  logLevel: 'warning',
  outExtension: { '.js': '.mjs' },
} satisfies BuildOptions

/** Changes with any file of a folder. */
export async function folderDigest(folder: string): Promise<string> {
  const hash = createHash('sha256')
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter(entry => entry.isFile())
  for (const path of files.map(entry => join(entry.parentPath, entry.name)).sort()) {
    const content = await readFile(path)
    hash.update(`${relative(folder, path)}\n${content.length}\n`).update(content)
  }
  return hash.digest('hex')
}
