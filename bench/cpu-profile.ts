import { readFile } from 'node:fs/promises'
import { SourceMap } from 'node:module'
import { fileURLToPath } from 'node:url'

interface CpuProfile {
  readonly nodes: readonly ProfileNode[]
  readonly samples: readonly number[]
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[]
}

interface ProfileNode {
  readonly id: number
  readonly callFrame: {
    readonly functionName: string
    readonly url: string
    readonly lineNumber: number
    readonly columnNumber: number
  }
  readonly children?: readonly number[]
}

/** What a sample stands for when no code of ours or of a library is on its stack. */
export type Native = 'idle' | 'garbage collector' | 'program' | 'node'

/**
 * Microseconds that a process spent, by the source file nearest to what ran: time inside Node's own code counts for whoever called it.
 *
 * @param file a `.cpuprofile` of V8 (https://chromedevtools.github.io/devtools-protocol/tot/Profiler/#type-Profile)
 * @param kindOf names the room of a source file
 */
export async function timeByKind(
  file: string,
  kindOf: (source: string | Native) => string,
): Promise<ReadonlyMap<string, number>> {
  const profile = JSON.parse(await readFile(file, 'utf8')) as CpuProfile
  const parents = new Map(profile.nodes.flatMap(({ id, children = [] }) => children.map(child => [child, id] as const)))
  const sources = await sourcesOf(profile.nodes)
  const nearest = (node: number): string | Native => {
    for (let id: number | undefined = node; id !== undefined; id = parents.get(id)) {
      const source = sources.get(id)
      if (source !== undefined) return source
    }
    return 'node'
  }
  const kinds = new Map(profile.nodes.map(({ id }) => [id, kindOf(nearest(id))]))
  const times = new Map<string, number>()
  profile.samples.forEach((id, at) => {
    const kind = kinds.get(id) as string
    times.set(kind, (times.get(kind) ?? 0) + (profile.timeDeltas[at] ?? 0))
  })
  return times
}

/** Bundled code is told by the file that it was bundled from. */
async function sourcesOf(nodes: readonly ProfileNode[]): Promise<Map<number, string>> {
  const maps = new Map<string, SourceMap | undefined>()
  for (const url of new Set(nodes.map(({ callFrame }) => callFrame.url).filter(url => url.startsWith('file:')))) {
    const text = await readFile(`${fileURLToPath(url)}.map`, 'utf8').catch(() => undefined)
    maps.set(url, text === undefined ? undefined : new SourceMap(JSON.parse(text)))
  }
  const sources = new Map<number, string>()
  for (const { id, callFrame } of nodes) {
    const { functionName, url, lineNumber, columnNumber } = callFrame
    const native = /^\((idle|garbage collector|program)\)$/.exec(functionName)?.[1]
    if (native) sources.set(id, native)
    else if (url.startsWith('file:')) {
      const entry = maps.get(url)?.findEntry(lineNumber, columnNumber)
      sources.set(id, entry && 'originalSource' in entry ? entry.originalSource : url)
    }
  }
  return sources
}
