import { kubectl as kubectlOf } from '../../deploy/kubectl.ts'
import { retailer } from '../../local/issuer.ts'
import { exchange } from '../../shared/function/exchange.ts'
import { type ClusterUnderTest, clusterVariable } from './setup.ts'

/** The system that `test/run.ts` deployed. */
export function clusterUnderTest(): ClusterUnderTest {
  const text = process.env[clusterVariable]
  if (!text) throw new Error('This test stands on a cluster, which npm run test:cluster finds and prepares.')
  return JSON.parse(text) as ClusterUnderTest
}

export const { namespace, host, ingress, images, services } = clusterUnderTest()
export const kubectl = kubectlOf()
/** kubectl in the namespace of the system. */
export const inNamespace = (args: readonly string[], input?: string): Promise<string> =>
  kubectl.run([...args, '-n', namespace], { timeout: 120_000, ...(input !== undefined && { input }) })

export interface Answered<T> {
  readonly status: number
  readonly headers: Record<string, string | string[] | undefined>
  readonly body: T
  readonly text: string
  /** Milliseconds. */
  readonly took: number
}

/** A request from outside: through the ingress, by the name of a host. */
export async function fromOutside<T = Record<string, unknown>>(
  route: string,
  options: { host?: string; body?: unknown; headers?: Record<string, string>; timeout?: number } = {},
): Promise<Answered<T>> {
  const [method = '', path = ''] = route.split(' ')
  const began = performance.now()
  const answer = await exchange({
    url: ingress + path,
    method,
    headers: {
      host: options.host ?? host,
      ...(options.body !== undefined && { 'content-type': 'application/json' }),
      ...options.headers,
    },
    ...(options.body !== undefined && { body: JSON.stringify(options.body) }),
    timeout: options.timeout ?? 60_000,
  })
  const text = answer.body.toString()
  const isJson = /json/.test(String(answer.headers['content-type']))
  const body = (isJson && text ? JSON.parse(text) : undefined) as T
  return { status: answer.status, headers: answer.headers, body, text, took: performance.now() - began }
}

let token: { text: string; until: number } | undefined

/** A call of the retailer's, with a token from the door where everybody gets one. */
export async function call<T = Record<string, unknown>>(
  route: string,
  options: { body?: unknown; key?: string; timeout?: number } = {},
): Promise<Answered<T>> {
  if (!token || Date.now() > token.until) {
    const basic = Buffer.from(`${retailer.id}:${retailer.secret}`).toString('base64')
    const answer = await exchange({
      url: `${ingress}/oauth/token`,
      method: 'POST',
      headers: { host, authorization: `Basic ${basic}`, 'content-type': 'application/x-www-form-urlencoded' },
      body: 'grant_type=client_credentials',
      timeout: 30_000,
    })
    if (answer.status !== 200) throw new Error(`No token: ${answer.status} ${answer.body}`)
    token = { text: (JSON.parse(answer.body.toString()) as { access_token: string }).access_token, until: Date.now() + 300_000 }
  }
  return fromOutside<T>(route, {
    headers: { authorization: `Bearer ${token.text}`, ...(options.key && { 'idempotency-key': options.key }) },
    ...(options.body !== undefined && { body: options.body }),
    ...(options.timeout && { timeout: options.timeout }),
  })
}

export interface Pod {
  metadata: { name: string; labels: Record<string, string>; deletionTimestamp?: string }
  spec: { automountServiceAccountToken?: boolean; containers: { name: string; securityContext?: Record<string, unknown> }[] }
  status: {
    phase: string
    conditions?: { type: string; status: string }[]
    containerStatuses?: { name: string; restartCount: number }[]
  }
}

/** A function's pods that are not on their way out. */
export async function pods(name: string): Promise<Pod[]> {
  const list = await kubectl.get<{ items: Pod[] }>(['pods', '-n', namespace, '-l', `serving.knative.dev/service=${name}`])
  return (list?.items ?? []).filter(({ metadata, status }) => !metadata.deletionTimestamp && status.phase !== 'Failed')
}

export const isReady = ({ status }: Pod): boolean =>
  status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false

/** What a pod tells at its own port for metrics: the sum of a metric's samples whose labels match. */
export async function metric(pod: string, name: string, labels: Record<string, string> = {}, port = 9464): Promise<number> {
  const text = await kubectl.run(['get', '--raw', `/api/v1/namespaces/${namespace}/pods/${pod}:${port}/proxy/metrics`])
  return sumOf(text, name, labels)
}

/** The sum of the samples of a metric in Prometheus' text format. */
export function sumOf(text: string, name: string, labels: Record<string, string> = {}): number {
  return text
    .split('\n')
    .filter(line => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .filter(line => Object.entries(labels).every(([label, value]) => line.includes(`${label}="${value}"`)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}

/** Asks until the answer is the awaited one; says what it was instead when it never was. */
export async function until<T>(
  what: string,
  seconds: number,
  ask: () => T | Promise<T>,
  isIt: (value: T) => boolean = Boolean,
): Promise<T> {
  const end = Date.now() + seconds * 1_000
  for (;;) {
    const value = await ask()
    if (isIt(value)) return value
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}; it is ${JSON.stringify(value)?.slice(0, 2_000)}`)
    await new Promise(resolve => setTimeout(resolve, 250))
  }
}

export interface Backlog {
  outbox: { database: string; pending: number; setAside: number }[]
  consumers: { source: string; lag: number }[]
  drained: boolean
}

/** Waits until every event has been handled. */
export const drained = (seconds = 120): Promise<unknown> =>
  until(
    'every event is handled',
    seconds,
    async () => (await call<Backlog>('GET /v1/events/backlog')).body,
    backlog => backlog?.drained === true,
  )

/** The proof that the stock adds up. */
export const reconciled = async (): Promise<boolean> => (await call<{ ok: boolean }>('GET /v1/stock/reconciliation')).body.ok
