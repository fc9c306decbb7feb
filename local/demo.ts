import { spawn } from 'node:child_process'
import { parseArgs } from 'node:util'
import { retailer } from './issuer.ts'
import { serviceUrlsFrom } from './services/service-urls.ts'
import { show } from './show.ts'
import { startSystem } from './system.ts'
import { untilAsked } from './until-asked.ts'

const { values } = parseArgs({
  options: {
    once: { type: 'boolean', default: false },
    data: { type: 'string', default: '.tidemark' },
    'free-ports': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

if (values.help) {
  console.log(`npm run demo -- [--once] [--data DIR] [--free-ports]
Starts the whole system, replays a generated sample of a retailer's trade through its API, and shows what came of it.
Goes on running until Ctrl-C; with --once it ends by itself, with exit status 0 when every invariant holds.`)
  process.exit(0)
}

const began = Date.now()
const say = (line: string) => console.log(`${((Date.now() - began) / 1_000).toFixed(1).padStart(6)} s  ${line}`)

try {
  say('starting the services that the functions stand on')
  const system = await startSystem({
    dataDir: values.data,
    ports: values['free-ports'] ? 'free' : 'preferred',
    urls: serviceUrlsFrom(process.env),
    ...(process.env.TIDEMARK_HOST && { host: process.env.TIDEMARK_HOST }),
    env: process.env,
    say,
  })
  const asked = values.once ? undefined : untilAsked()
  try {
    say('replaying the sample: a generated shop, eight weeks of invoices, through the public API')
    const status = await replaySample({ TIDEMARK_URL: system.gatewayUrl, TIDEMARK_TOKEN_URL: system.tokenUrl })
    await show(system, retailer)
    if (asked) {
      console.log('\nStill running. Ctrl-C stops everything; the next start continues with this data.')
      await asked
    }
    say('stopping')
    process.exitCode = status
  } finally {
    await system.stop()
  }
  say(process.exitCode === 0 ? 'done: every invariant holds' : 'done: an invariant does not hold, see above')
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}

/** A process of its own: a client like any other, which knows an address and a secret and nothing else. */
function replaySample(env: Record<string, string>): Promise<number> {
  const file = (name: string) => new URL(`../replay/${name}`, import.meta.url).pathname
  const child = spawn(process.execPath, [file('main.ts'), file('sample.csv')], {
    stdio: 'inherit',
    env: { ...process.env, ...env, TIDEMARK_CLIENT_ID: retailer.id, TIDEMARK_CLIENT_SECRET: retailer.secret },
  })
  return new Promise(resolve => {
    child.once('exit', code => resolve(code ?? 1))
    child.once('error', () => resolve(1))
  })
}
