import { parseArgs } from 'node:util'
import { writeReadyFile } from './background.ts'
import { loopback } from './ports.ts'
import { serviceNames } from './service.ts'
import { serviceUrlsFrom } from './service-urls.ts'
import { startServices } from './start.ts'

const { values } = parseArgs({
  options: {
    data: { type: 'string', default: '.tidemark/services' },
    host: { type: 'string' },
    'ready-file': { type: 'string' },
    'free-ports': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

if (values.help) {
  console.log(
    `node local/services/main.ts [--data DIR] [--host ADDRESS] [--free-ports] [--ready-file FILE]
Starts Postgres, Redis, Kafka, a schema registry and a mail server. Ctrl-C stops them.
  --host ADDRESS     where they listen instead of 127.0.0.1, with passwords: an address that pods of a local cluster reach
  --ready-file FILE  is written with their URLs once all answer`,
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
    ...(values.host && { host: values.host }),
    ports: values['free-ports'] ? 'free' : 'preferred',
    say: line => console.log(line),
  })
  for (const name of serviceNames) console.log(`  ${name.padEnd(9)} ${services.urls[name]}`)
  if (values['ready-file']) writeReadyFile(values['ready-file'], values.host ?? loopback, services.urls)
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
