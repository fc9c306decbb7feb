import type { Plugin } from 'esbuild'

/**
 * What packages import and no function uses, by the package that imports it. Express reads bodies, writes files and parses nested
 * queries with these: three quarters of the bundle's bytes. prom-client asks OpenTelemetry for exemplars, which are off.
 * zod brings its messages in fifty languages; English is there without them.
 */
const unused: Readonly<Record<string, readonly string[]>> = {
  express: ['body-parser', 'mime-types', 'qs', 'send', 'serve-static'],
  'type-is': ['mime-types'],
  accepts: ['mime-types'],
  'prom-client': ['@opentelemetry/api'],
  zod: ['../locales/index.js'],
}

/** Puts in their place something that may be imported, and fails loudly when it is used. */
export const unusedPackages: Plugin = {
  name: 'unused-packages',
  setup(build) {
    build.onResolve({ filter: /./ }, ({ path, importer }) => {
      const from = /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(importer)?.[1] ?? ''
      return unused[from]?.includes(path) ? { path, namespace: 'unused' } : undefined
    })
    build.onLoad({ filter: /.*/, namespace: 'unused' }, ({ path }) => ({
      contents: `module.exports = new Proxy(function () {}, {
        get: (absent, name) => name === 'prototype' ? absent.prototype : module.exports,
        apply() { throw new Error('${path} is left out of the bundle: local/unused-packages.ts') },
      })`,
    }))
  },
}
