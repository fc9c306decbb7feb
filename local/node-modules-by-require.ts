import { isBuiltin } from 'node:module'
import type { Plugin } from 'esbuild'

/** Loaded when one of their functions is called: most functions never speak TLS, and none compresses. */
const late = /^(node:)?(https|tls|zlib)$/

/**
 * Fetches Node's own modules from the process instead of importing them. An ES import of `node:http` reads every export of it once,
 * among them the getters of WebSocket, which load undici, http2 and tls: 40 ms of CPU before the first line runs.
 */
export const nodeModulesByRequire: Plugin = {
  name: 'node-modules-by-require',
  setup(build) {
    build.onResolve({ filter: /.*/ }, ({ path, kind }) =>
      isBuiltin(path) && (kind === 'import-statement' || kind === 'require-call')
        ? { path: path.replace(/^node:/, ''), namespace: 'node' }
        : undefined,
    )
    build.onLoad({ filter: /.*/, namespace: 'node' }, ({ path }) => ({
      contents: late.test(path) ? getters(path) : fetched(path),
    }))
  },
}

const fetched = (name: string) => `module.exports = process.getBuiltinModule('node:${name}')`

const getters = (name: string) =>
  Object.keys(process.getBuiltinModule(`node:${name}`) as object)
    .map(key => `get ${JSON.stringify(key)}() { return process.getBuiltinModule('node:${name}')[${JSON.stringify(key)}] }`)
    .reduce((body, getter) => `${body}  ${getter},\n`, 'module.exports = {\n')
    .concat('}\n')
