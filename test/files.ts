import { glob } from 'node:fs/promises'
import { sep } from 'node:path'

/** What a test file needs, and so when it runs. */
export type Kind = 'in memory' | 'on real services' | 'whole system' | 'chaos' | 'cluster' | 'by name only'

export function kindOf(file: string): Kind {
  if (file.startsWith('test/cluster/')) return 'cluster'
  if (file.startsWith('test/browser/')) return 'by name only'
  if (file.startsWith('test/system/')) return 'whole system'
  if (file.startsWith('test/chaos/')) return 'chaos'
  return file.endsWith('.int.test.ts') ? 'on real services' : 'in memory'
}

/** The project's test files whose path holds one of the filters; all when there is none. What runs by name only needs its folder named. */
export async function testFiles(root: string, filters: readonly string[]): Promise<Map<Kind, string[]>> {
  const found: string[] = []
  const exclude = (path: string) => /(^|[\\/])(node_modules|\.[^\\/.][^\\/]*)$/.test(path)
  for await (const path of glob('**/*.test.ts', { cwd: root, exclude })) found.push(path.split(sep).join('/'))
  return Map.groupBy(found.filter(file => isWanted(file, filters)).sort(), kindOf)
}

export function isWanted(file: string, filters: readonly string[]): boolean {
  const matching = filters.filter(filter => file.includes(filter.replace(/^\.\//, '')))
  if (kindOf(file) === 'by name only') return matching.some(filter => filter.includes('test/browser'))
  return filters.length === 0 || matching.length > 0
}
