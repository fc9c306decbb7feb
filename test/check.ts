import { spawnSync } from 'node:child_process'

/** `npm run check`: what can be said without running the code. */
const root = new URL('../', import.meta.url).pathname
const bin = (name: string) => `${root}node_modules/.bin/${name}`
const checks: [string, string, ...string[]][] = [
  ['types', bin('tsc'), '--noEmit'],
  ['format and lint', bin('biome'), 'check', '.'],
  ['derived files', process.execPath, 'manifests/main.ts', '--check'],
  ['sample', process.execPath, 'replay/sample.ts', '--check'],
]

let failed = 0
for (const [name, command, ...args] of checks) {
  console.log(`— ${name}`)
  if (spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status !== 0) failed++
}
process.exit(failed > 0 ? 1 : 0)
