import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { join } from 'node:path'

/** A Kubernetes API server, as a pod with a service account reaches it. */
export interface ApiServer {
  readonly url: string
  readonly namespace: string
  /** Read for every request: a mounted token is replaced every hour, and an old one is refused. */
  token(): string
  ca?(): Buffer
}

export function apiServerInCluster(env: NodeJS.ProcessEnv, folder = '/var/run/secrets/kubernetes.io/serviceaccount'): ApiServer {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = env
  if (!host) throw new Error('KUBERNETES_SERVICE_HOST is not set: this runs in a pod.')
  return {
    url: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    namespace: readFileSync(join(folder, 'namespace'), 'utf8').trim(),
    token: () => readFileSync(join(folder, 'token'), 'utf8').trim(),
    ca: () => readFileSync(join(folder, 'ca.crt')),
  }
}

/** The objects at a path of the API, all in one answer, within `timeout` milliseconds. */
export async function listObjects<T>(server: ApiServer, path: string, timeout: number): Promise<T[]> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const outgoing = (server.url.startsWith('https:') ? tlsRequest : request)(
    new URL(path, server.url),
    {
      headers: { authorization: `Bearer ${server.token()}`, accept: 'application/json' },
      signal: AbortSignal.timeout(timeout),
      ...(server.ca && { ca: server.ca() }),
    },
    async incoming => {
      try {
        const text = (await incoming.setEncoding('utf8').toArray()).join('')
        if (incoming.statusCode === 200) resolve(text)
        else reject(new Error(`The Kubernetes API answered ${incoming.statusCode} to ${path}: ${text.slice(0, 300)}`))
      } catch (error) {
        reject(error as Error)
      }
    },
  )
  outgoing.on('error', reject)
  outgoing.end()
  return (JSON.parse(await promise) as { items: T[] }).items
}
