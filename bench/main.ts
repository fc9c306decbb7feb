import { line, progress, type Result } from './measure.ts'

/** `node bench/main.ts NAME [--json]`: measures, prints each figure beside its reference of the same run, and exits 1 when a target is missed. */
const benches: Record<string, { about: string; load: () => Promise<() => Promise<readonly Result[]>> }> = {
  stock: {
    about: 'reservations and receipts over HTTP against pgbench, an empty handler and one transaction a request (about 5 min)',
    load: async () => (await import('./stock/stock.ts')).stock,
  },
  overload: {
    about:
      'reservations offered up to three times what the inventory function can do: goodput, refusals, time, memory (about 3 min)',
    load: async () => (await import('./stock/overload.ts')).overload,
  },
  profile: {
    about:
      'where the time of a reservation and of a line of a receipt goes, in the function and in Postgres (about 1 min; prints shares, judges nothing)',
    load: async () => (await import('./stock/profile.ts')).profile,
  },
  size: {
    about: 'the common questions among ten million rows of stock against ten thousand (about 5 min, 12 GB of disk)',
    load: async () => (await import('./size/size.ts')).size,
  },
  partitions: {
    about: "what partitions of stock and ledger cost a sale's statements (about 2 min)",
    load: async () => (await import('./size/partitions.ts')).partitionsBench,
  },
  notifications: {
    about: 'messages through notifications-send to a local provider against an empty handler on the same path (about 1 min)',
    load: async () => (await import('./notifications/notifications.ts')).notificationsBench,
  },
  'cold-start': {
    about: 'process start to first answer of every function that scales to zero against a bare node:http process (about 3 min)',
    load: async () => (await import('./cold-start/cold-start.ts')).coldStart,
  },
  relay: {
    about: 'outbox to Kafka against a kafkajs producer alone, and the time from an answer to its event (about 1 min)',
    load: async () => (await import('./relay/relay.ts')).relayBench,
  },
  'alerts-evaluate': {
    about:
      'stock events judged by rules of every type, against an empty handler on the same path, and 1,000 a second (about 2 min)',
    load: async () => (await import('./alerts/evaluate.ts')).evaluateBench,
  },
  breach: {
    about:
      'a sale that brings stock to its level until a provider is called, through the whole local system, warm and from zero (about 2 min)',
    load: async () => (await import('./alerts/breach.ts')).breach,
  },
  storm: {
    about:
      '5,000 SKUs that fall to their level at once, on the whole local system: messages, which come first, what else works (about 2 min)',
    load: async () => (await import('./alerts/storm.ts')).storm,
  },
  forecast: {
    about:
      "a real retailer's months judged in memory by thresholds of each type: alerts, false repeats, hits and lead (about 1 min)",
    load: async () => (await import('./alerts/forecast.ts')).forecastBench,
  },
  gateway: {
    about: 'requests through the gateway against a bare node:http proxy on the same core (about 1 min)',
    load: async () => (await import('./gateway/gateway.ts')).gatewayBench,
  },
  cluster: {
    about:
      'functions started from zero on real Knative, against the smallest node:http function there (about 7 min; needs a cluster)',
    load: async () => (await import('./cluster/from-zero.ts')).fromZero,
  },
}

const args = process.argv.slice(2)
const json = args.includes('--json')
const [name, ...more] = args.filter(arg => arg !== '--json')
if (name === undefined) {
  console.log('npm run bench -- NAME [--json]')
  for (const [known, { about }] of Object.entries(benches)) console.log(`  ${known.padEnd(16)} ${about}`)
  process.exit(0)
}
const bench = Object.hasOwn(benches, name) ? benches[name] : undefined
if (!bench || more.length > 0) {
  console.error(`There is no bench ${[name, ...more].join(' ')}. There are: ${Object.keys(benches).join(', ')}.`)
  process.exit(2)
}

try {
  const began = performance.now()
  const measure = await bench.load()
  const results = await measure()
  progress(`${name}: measured in ${Math.round((performance.now() - began) / 1_000)} s`)
  console.log(json ? JSON.stringify(results, null, 2) : results.map(line).join('\n'))
  process.exit(results.every(result => result.ok) ? 0 : 1)
} catch (error) {
  console.error(error)
  process.exit(1)
}
