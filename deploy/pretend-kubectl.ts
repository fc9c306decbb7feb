import type { Kubectl } from './kubectl.ts'

/** For tests: a cluster that answers what `get` asks from a list of objects, and notes what else it was told. */
export function pretendKubectl(get: (args: readonly string[]) => unknown): Kubectl & { told: string[] } {
  const told: string[] = []
  return {
    told,
    context: undefined,
    async run(args) {
      told.push(args.join(' '))
      return ''
    },
    get: async <T>(args: readonly string[]) => get(args) as T | undefined,
  }
}
