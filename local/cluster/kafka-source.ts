import { createServer } from 'node:http'
import { Kafka, logLevel } from 'kafkajs'
import { exchange } from '../../shared/function/exchange.ts'
import { startDispatcher } from '../kafka-source/dispatcher.ts'
import { apiServerInCluster, listObjects } from '../kafka-source/kubernetes.ts'
import { type KafkaSourceObject, kafkaSourcesPath, servedSource, serveObjects, sinkAddress } from '../kafka-source/objects.ts'
import { answeredHealth, drained, listening } from './health.ts'
import type { Program } from './main.ts'

/** Delivers for the KafkaSource objects of its namespace, in a cluster where the real dispatcher is not installed. */
export const run: Program = async (env, say) => {
  const api = apiServerInCluster(env)
  const serving = serveObjects({
    list: () => listObjects<KafkaSourceObject>(api, kafkaSourcesPath(api.namespace), 10_000),
    start: object => dispatch(object, say),
    every: 2_000,
    say,
  })
  const server = createServer((request, response) => {
    if (!answeredHealth(request, response, serving.ready())) response.writeHead(404).end()
  })
  await listening(server, Number(env.PORT ?? 8080))
  return {
    async stop() {
      await serving.stop()
      await drained(server)
    },
  }
}

function dispatch(object: KafkaSourceObject, say: (line: string) => void) {
  const source = servedSource(object)
  return startDispatcher({
    source,
    say,
    kafka: new Kafka({
      clientId: `kafka-source-${object.metadata.name}`,
      brokers: object.spec.bootstrapServers.flatMap(servers => servers.split(',')),
      logLevel: logLevel.NOTHING,
    }),
    addressOf: sink => sinkAddress(sink, object.metadata.namespace),
    async send(url, { headers, body }, timeout) {
      const answer = await exchange({ url, method: 'POST', headers, body, timeout })
      return { status: answer.status, body: answer.body.toString() }
    },
  })
}
