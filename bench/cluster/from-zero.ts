import { randomUUID } from 'node:crypto'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { removeServicesData } from '../../local/services/start.ts'
import { findCluster } from '../../test/cluster/find.ts'
import { setUpCluster } from '../../test/cluster/setup.ts'
import { absolute, compared, median, progress, type Result, shown } from '../measure.ts'

const rounds = 10
/** Against the smallest function: process start to the caller's answer, and the whole way from the request. */
const target = { atMost: 1.3 }
/**
 * Kubelet looks once a second which containers run, and only then do a pod's address and readiness reach the activator. So each request
 * comes at a random point of that second, and a round is the mean of as many starts of hello as of ours: one start alone says little.
 */
const kubeletRelist = 1_000

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
  const ours = Object.keys(calls)
  const hellos = ours.map((_, at) => `hello-${at + 1}`)
  // With the token, as `kn service create` makes one: a volume is what a start waits for as well.
  const helloWorlds = hellos.map(name =>
    knativeService({ name, image: images['tidemark-local'], args: 'hello', annotations: napping, token: true }),
  )
  await inNamespace(['apply', '-f', '-'], helloWorlds.join('\n---\n'))
  for (const name of ours)
    await inNamespace([
      'patch',
      `ksvc/${name}`,
      '--type=merge',
      '-p',
      JSON.stringify({ spec: { template: { metadata: { annotations: napping } } } }),
    ])
  const names = ours.flatMap((name, at) => [name, hellos[at] as string])
  for (const name of names) await inNamespace(['wait', '--for=condition=Ready', `ksvc/${name}`, '--timeout=90s'])
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
    await setTimeout(kubeletRelist * (1 + Math.random()))
    const began = Date.now()
    const route = calls[name]
    const answer = route
      ? await call(route, { ...(route.startsWith('POST') && { body: {}, key: randomUUID() }) })
      : await fromOutside('GET /', { host: host.replace(/^gateway\./, `${name}.`) })
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
      `  round ${round + 1}: ${names.map(name => `${name} ${starts[name]?.whole} (${shown(starts[name]?.process ?? 0)})`).join(', ')} ms`,
    )
  }
  const mean = (part: keyof Start, of: readonly string[]) => (starts: Record<string, Start>) =>
    of.reduce((sum, name) => sum + (starts[name] as Start)[part], 0) / of.length
  const against = (about: string, part: keyof Start) => {
    const own = measured.map(mean(part, ours))
    const hello = measured.map(mean(part, hellos))
    return compared(
      `${about}, against as many hello-world functions`,
      'ms',
      own.map((value, at) => ({ own: value, hello: hello[at] as number })),
      'own',
      'hello',
      target,
    )
  }
  const wholeOf = (name: string) => median(measured.map(starts => (starts[name] as Start).whole))
  return [
    against(`${ours.join(', ')}: container start to first answer`, 'process'),
    against(`${ours.join(', ')}: from zero, request to answer`, 'whole'),
    ...ours.map(name => absolute(`${name} from zero, request to answer`, 'ms', wholeOf(name), { atMost: 5_000 })),
  ]
}

/** Asleep sooner: only the waiting between rounds is shorter. */
const napping = { 'autoscaling.knative.dev/window': '6s' }
