import { parseArgs } from 'node:util'
import { serviceNames } from './service.ts'
import { serviceUrlsFrom } from './service-urls.ts'
import { startServices } from './start.ts'

const { values } = parseArgs({
  options: {
    data: { type: 'string', default: '.tidemark/services' },
    'free-ports': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

if (values.help) {
  console.log(
    'node local/services/main.ts [--data DIR] [--free-ports]\nStarts Postgres, Redis, Kafka, a schema registry and a mail server. Ctrl-C stops them.',
  )
  process.exit(0)
}

let asked = 0
const askedToStop = new Promise<void>(resolve => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      // What a second Ctrl-C leaves behind, the next start ends.
      if (++asked > 1) process.exit(130)
      resolve()
    })
  }
})

try {
  const services = await startServices({
    dataDir: values.data,
    urls: serviceUrlsFrom(process.env),
    ports: values['free-ports'] ? 'free' : 'preferred',
    say: line => console.log(line),
  })
  for (const name of serviceNames) console.log(`  ${name.padEnd(9)} ${services.urls[name]}`)
  // A pending promise alone does not keep Node alive.
  const alive = setInterval(() => {}, 60_000)
  await askedToStop
  console.log('stopping')
  await services.stop()
  clearInterval(alive)
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
