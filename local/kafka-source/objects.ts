import type { Dispatcher, KafkaSource, Sink } from './dispatcher.ts'

/** A KafkaSource as the API server keeps it: its webhook has filled in most defaults. */
export interface KafkaSourceObject {
  readonly metadata: {
    readonly name: string
    readonly namespace: string
    readonly uid: string
    readonly generation: number
    readonly deletionTimestamp?: string
  }
  readonly spec: Omit<KafkaSource['spec'], 'delivery' | 'initialOffset' | 'ordering'> & {
    readonly bootstrapServers: readonly string[]
    readonly initialOffset?: KafkaSource['spec']['initialOffset']
    readonly ordering?: KafkaSource['spec']['ordering']
    readonly delivery?: Partial<KafkaSource['spec']['delivery']>
    readonly net?: { readonly sasl?: { readonly enable?: boolean }; readonly tls?: { readonly enable?: boolean } }
  }
}

export const kafkaSourcesPath = (namespace: string): string => `/apis/sources.knative.dev/v1/namespaces/${namespace}/kafkasources`

/** Retries apply to a source that says nothing of delivery; one that says something gets what it says (eventing-kafka-broker 0.49.2). */
const unsaid = { backoffPolicy: 'exponential', backoffDelay: 'PT0.3S', timeout: 'PT600S' } as const

export function servedSource({ metadata, spec }: KafkaSourceObject): KafkaSource {
  if (spec.net?.sasl?.enable || spec.net?.tls?.enable) {
    throw new Error(`${metadata.name}: this stand-in knows neither SASL nor TLS; the real dispatcher does`)
  }
  const { initialOffset = 'latest', ordering = 'ordered', delivery } = spec
  return { metadata, spec: { ...spec, initialOffset, ordering, delivery: { ...unsaid, retry: delivery ? 0 : 10, ...delivery } } }
}

/** Where a sink is inside a cluster. Names are those that Knative Serving and the channel-based Broker give. */
export function sinkAddress({ ref, uri }: Sink, namespace: string): string {
  if (!ref) {
    if (!uri) throw new Error('a sink has neither ref nor uri')
    return uri
  }
  const place = ref.namespace ?? namespace
  const base =
    ref.kind === 'Broker'
      ? `http://broker-ingress.knative-eventing.svc.cluster.local/${place}/${ref.name}`
      : `http://${ref.name}.${place}.svc.cluster.local`
  return uri ? new URL(uri, `${base}/`).href : base
}

/**
 * Keeps a dispatcher running for every object that there is: a new one is started, a changed one started anew, a deleted one
 * stopped. While the objects cannot be listed, those known are served on.
 */
export function serveObjects(options: {
  list: () => Promise<readonly KafkaSourceObject[]>
  start: (object: KafkaSourceObject) => Dispatcher
  /** Milliseconds between two looks. */
  every: number
  say: (line: string) => void
}): { ready(): boolean; stop(): Promise<void> } {
  const { list, start, every, say } = options
  const served = new Map<string, { version: string; dispatcher: Dispatcher | undefined }>()
  const stopping = new AbortController()
  let ready = false
  let trouble = ''

  async function stop(name: string): Promise<void> {
    const dispatcher = served.get(name)?.dispatcher
    served.delete(name)
    if (!dispatcher) return
    await dispatcher.stop()
    say(`${name}: stopped`)
  }

  async function look(): Promise<void> {
    const objects = (await list()).filter(({ metadata }) => !metadata.deletionTimestamp)
    const wanted = new Map(objects.map(object => [object.metadata.name, object]))
    const version = ({ metadata }: KafkaSourceObject) => `${metadata.uid}/${metadata.generation}`
    const over = [...served].filter(([name, { version: old }]) => {
      const object = wanted.get(name)
      return !object || version(object) !== old
    })
    // A consumer may need seconds to leave its group: all leave at once.
    await Promise.all(over.map(([name]) => stop(name)))
    if (stopping.signal.aborted) return
    for (const [name, object] of wanted) {
      if (served.has(name)) continue
      let dispatcher: Dispatcher | undefined
      try {
        dispatcher = start(object)
        say(`${name}: started, ${object.spec.topics.join(', ')} for group ${object.spec.consumerGroup}`)
      } catch (error) {
        say(`${name}: not served until it is changed: ${(error as Error).message}`)
      }
      served.set(name, { version: version(object), dispatcher })
    }
  }

  const done = (async () => {
    while (!stopping.signal.aborted) {
      try {
        await look()
        ready = true
        trouble = ''
      } catch (error) {
        // Once, and not every two seconds.
        const { message } = error as Error
        if (message !== trouble) say(message)
        trouble = message
      }
      await pause(every, stopping.signal)
    }
    await Promise.all([...served.keys()].map(stop))
  })()
  return {
    ready: () => ready && !stopping.signal.aborted,
    stop() {
      stopping.abort()
      return done
    },
  }
}

const pause = (wait: number, signal: AbortSignal): Promise<void> =>
  new Promise(resolve => {
    const timer = setTimeout(resolve, wait)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
    if (signal.aborted) resolve()
  })
