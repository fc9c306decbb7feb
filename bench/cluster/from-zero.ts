import { randomUUID } from 'node:crypto'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeServicesData } from '../../local/services/start.ts'
import { findCluster } from '../../test/cluster/find.ts'
import { setUpCluster } from '../../test/cluster/setup.ts'
import { absolute, compared, median, progress, type Result } from '../measure.ts'

const rounds = 5
/** Against the smallest function: process start to the caller's answer, and the whole way from the request. */
const target = { atMost: 1.3 }

/** A call that wakes one function: its first answer needs its database and no other function that is asleep. */
const calls: Readonly<Record<string, string>> = {
  'orders-read': 'GET /v1/orders/summary',
  'orders-cancel': `POST /v1/orders/${randomUUID()}/cancel`,
  'alerts-read': 'GET /v1/alerts',
  'notifications-read': 'GET /v1/notifications',
}

interface Start {
  /** Milliseconds from the request to its answer. */
  readonly whole: number
  /** Milliseconds from the start of the process in its container to the answer. */
  readonly process: number
}

/** Functions that are asleep on a real Knative, woken one after another by a request through the ingress. */
export async function fromZero(): Promise<readonly Result[]> {
  const found = await findCluster(progress)
  if (!found.found) throw new Error(found.why)
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-bench-cluster-'))
  try {
    const leave = await setUpCluster(folder, progress)
    try {
      return await measure()
    } finally {
      await leave()
      await removeServicesData(join(folder, 'services'))
    }
  } finally {
    await found.stop()
  }
}

async function measure(): Promise<readonly Result[]> {
  // Only now: it reads where the system is when it is loaded.
  const cluster = await import('../../test/cluster/cluster.ts')
  const { knativeService } = await import('../../test/cluster/stand-in.ts')
  const { call, fromOutside, host, images, inNamespace, kubectl, namespace, pods, until } = cluster
  const hello = host.replace(/^gateway\./, 'hello.')
  await inNamespace(['apply', '-f', '-'], knativeService({ name: 'hello', image: images['tidemark-local'] }))
  await inNamespace(['wait', '--for=condition=Ready', 'ksvc/hello', '--timeout=90s'])
  const names = ['hello', ...Object.keys(calls)]
  const asleep = () =>
    until(
      'all are asleep',
      180,
      async () => (await Promise.all(names.map(pods))).flat().length,
      count => count === 0,
    )

  /** When the newest process of a function began, by its own word: the clock of its node. */
  async function startedAt(name: string): Promise<number> {
    const [pod] = await pods(name)
    const log = await kubectl.run(['logs', '-n', namespace, pod?.metadata.name ?? '', '-c', 'user-container'])
    const line = log.split('\n').find(text => text.includes('"started"'))
    return (JSON.parse(line ?? '{}') as { started: number }).started
  }

  async function wake(name: string): Promise<Start> {
    const began = Date.now()
    const route = calls[name]
    const answer = route
      ? await call(route, { ...(route.startsWith('POST') && { body: {}, key: randomUUID() }) })
      : await fromOutside('GET /', { host: hello })
    const answered = Date.now()
    if (answer.status >= 500) throw new Error(`${name} answered ${answer.status}: ${answer.text}`)
    return { whole: answered - began, process: answered - (await startedAt(name)) }
  }

  await call('GET /v1/stock?limit=1')
  const measured: Record<string, Start>[] = []
  for (let round = 0; round < rounds; round++) {
    await asleep()
    const starts: Record<string, Start> = {}
    for (let turn = 0; turn < names.length; turn++) {
      const name = names[(round + turn) % names.length] as string
      starts[name] = await wake(name)
    }
    measured.push(starts)
    progress(
      `  round ${round + 1}: ${names.map(name => `${name} ${starts[name]?.whole} (${Math.round(starts[name]?.process ?? 0)})`).join(', ')} ms`,
    )
  }
  const results: Result[] = []
  for (const name of Object.keys(calls)) {
    for (const [part, about] of [
      ['process', 'container start to first answer'],
      ['whole', 'from zero, request to answer'],
    ] as const) {
      const figures = measured.map(starts => ({ own: (starts[name] as Start)[part], hello: (starts.hello as Start)[part] }))
      results.push(compared(`${name}, ${about}, against a hello-world function`, 'ms', figures, 'own', 'hello', target))
    }
  }
  return [
    ...results,
    absolute(
      'the longest median from zero',
      'ms',
      Math.max(...Object.keys(calls).map(name => median(measured.map(starts => (starts[name] as Start).whole)))),
      { atMost: 5_000 },
    ),
  ]
}
