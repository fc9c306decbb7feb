// `node local/with-node.mjs FILE [ARGUMENTS]`: runs FILE with the Node that this project pins, after installing what is missing.
// Plain JavaScript for any Node from 18 on: it is the first thing that runs in a fresh clone.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'

const root = new URL('../', import.meta.url)
const file = name => new URL(name, root).pathname
const [script, ...rest] = process.argv.slice(2)

function installWhatIsMissing() {
  const wanted = createHash('sha256')
    .update(readFileSync(file('package-lock.json')))
    .digest('hex')
  const stamp = file('node_modules/.tidemark-installed')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  // Two commands of one checkout would empty each other's node_modules.
  if (!takeTurn()) return installWhatIsMissing()
  console.error('Installing packages (npm ci, about 40 s the first time) …')
  const start = Date.now()
  // No package may run a script of its own at install: none of ours needs one.
  const installed = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: file(''),
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  if (installed.status !== 0) {
    console.error('npm ci failed. It needs npm 10 or later and the npm registry.')
    process.exit(1)
  }
  writeFileSync(stamp, wanted)
  console.error(`Packages installed in ${Math.round((Date.now() - start) / 1000)} s.`)
}

/** Minutes after which whoever installs is taken for dead: a killed one cannot say so. */
const longestInstall = 5

/** @returns false after having waited for somebody else, who may have installed everything */
function takeTurn() {
  const turn = file('.tidemark-installing')
  const release = () => rmSync(turn, { recursive: true, force: true })
  try {
    mkdirSync(turn)
    process.on('exit', release)
    return true
  } catch {
    const taken = statSync(turn, { throwIfNoEntry: false })
    if (taken && Date.now() - taken.mtimeMs > longestInstall * 60_000) release()
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500)
    return false
  }
}

function node24() {
  const pinned = file('node_modules/.bin/node')
  const works = existsSync(pinned) && spawnSync(pinned, ['--version']).status === 0
  if (works) return pinned
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath
  console.error(`Tidemark needs Node 24 or later, and there is no packaged one for ${process.platform} ${process.arch}.
  Debian/Ubuntu, macOS: install it from your package manager (brew install node), then run this again.
  This is Node ${process.versions.node}.`)
  process.exit(1)
}

installWhatIsMissing()
const child = spawn(node24(), ['--disable-warning=TimeoutNegativeWarning', file(script), ...rest], { stdio: 'inherit' })
// Ctrl-C reaches the child by itself, and it may take a moment to stop what it started: this process waits for it.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => child.kill('SIGTERM'))
child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]))
