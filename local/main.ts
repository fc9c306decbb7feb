import { parseArgs } from 'node:util'
import { serviceUrlsFrom } from './services/service-urls.ts'
import { startSystem } from './system.ts'
import { untilAsked } from './until-asked.ts'

const { values } = parseArgs({
  options: {
    data: { type: 'string', default: '.tidemark' },
    'free-ports': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

if (values.help) {
  console.log(`npm run dev -- [--data DIR] [--free-ports]
Starts the whole system on this machine and runs until Ctrl-C. A second start on the same data continues where it was.`)
  process.exit(0)
}

/** Where what went to each provider is shown. */
const sentAt = (providers: Readonly<Record<string, string>>): string =>
  Object.entries(providers)
    .map(([name, url]) => `  sent       ${url}/_control/taken  ${name}\n`)
    .join('')

try {
  const system = await startSystem({
    dataDir: values.data,
    ports: values['free-ports'] ? 'free' : 'preferred',
    urls: serviceUrlsFrom(process.env),
    ...(process.env.TIDEMARK_HOST && { host: process.env.TIDEMARK_HOST }),
    env: process.env,
    say: line => console.log(line),
  })
  console.log(
    `\n  API        ${system.gatewayUrl}\n  reference  ${system.gatewayUrl}/docs\n  mail       ${system.services.ses}/moto-api/\n  tokens     ${system.tokenUrl}\n${sentAt(system.providers)}\nCtrl-C stops everything.`,
  )
  await untilAsked()
  console.log('stopping')
  await system.stop()
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
