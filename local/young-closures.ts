import { readFile } from 'node:fs/promises'
import type { Plugin } from 'esbuild'

/**
 * A function literal that is assigned to a property, `this.resolve = x => …`, is made in V8's old generation: the parser takes it for a
 * method, good for long (`CheckAssigningFunctionLiteralToProperty`, https://source.chromium.org/chromium/chromium/src/+/main:v8/src/parsing/parser.h).
 * The drivers of Postgres and Redis make one or two with each query. What those refer to, the query, its result and its rows, outlives
 * every scavenge until the next full collection: a quarter of all that a reservation allocates, copied in pauses of 10 to 20 ms.
 * The same function as an argument is made young.
 */
const makers: readonly { readonly file: RegExp; readonly literals: number }[] = [
  { file: /[\\/]postgres[\\/]src[\\/]query\.js$/, literals: 4 },
  { file: /[\\/]ioredis[\\/]built[\\/]Command\.js$/, literals: 1 },
]

export const youngClosures: Plugin = {
  name: 'young-closures',
  setup({ onLoad }) {
    for (const { file, literals } of makers) {
      onLoad({ filter: file }, async ({ path }) => ({ contents: withYoungClosures(await readFile(path, 'utf8'), literals) }))
    }
  },
}

/** On one line, or with a body that ends where it began. */
const literal = /^( *)this\.(resolve|reject) = (\(?\w*\)? => (?:\(.*\)|\{\n[\s\S]*?\n\1\}));?$/gm

/** @throws when a driver was changed: look whether it still needs this, and measure (`npm run bench -- stock`, p99) */
export function withYoungClosures(source: string, literals: number): string {
  const found = source.match(literal)?.length ?? 0
  if (found !== literals) throw new Error(`${found} function literals instead of ${literals}: see local/young-closures.ts.`)
  return `${source.replace(literal, '$1keep(this, "$2", $3)')}
function keep(owner, name, closure) { owner[name] = closure }
`
}
