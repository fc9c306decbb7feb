import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { startInBackground } from '../local/services/background.ts'
import type { ServiceUrls } from '../local/services/service.ts'
import { serviceNames } from '../local/services/service.ts'
import { serviceUrlsFrom } from '../local/services/service-urls.ts'
import { localSecrets } from '../local/settings.ts'
import { type Cluster, machineAddress } from './cluster.ts'
import { type Deployed, deploy } from './deploy.ts'
import { functionsImage, loadImage, localImage } from './image.ts'
import type { Kubectl } from './kubectl.ts'
import { localSecretValues, secretObjects } from './local-secrets.ts'
import { render } from './render.ts'

/** What a local deployment keeps: the services' data, and the secrets that were made for it. */
export const localFolder = fileURLToPath(new URL('../.tidemark/cluster', import.meta.url))

export interface LocalDeployment {
  readonly kubectl: Kubectl
  readonly cluster: Cluster
  readonly namespace: string
  readonly services: ServiceUrls
  /** Already in the cluster's reach. */
  readonly images: { readonly tidemark: string; readonly 'tidemark-local': string }
  readonly dataDir?: string
  readonly folder?: string
  readonly keepTraffic?: boolean
  readonly timeout: number
  readonly say: (line: string) => void
}

/** The images of the functions and of the stand-ins, made here and put into the cluster. */
export async function loadImages(say: (line: string) => void, given?: string): Promise<LocalDeployment['images']> {
  const load = async (make: typeof functionsImage) => {
    const image = await make()
    const { by, loaded } = await loadImage(image)
    say(`image ${image.name}: ${loaded ? `loaded by ${by}` : 'is in the cluster already'}`)
    return image.name
  }
  return { tidemark: given ?? (await load(functionsImage)), 'tidemark-local': await load(localImage) }
}

/** Services on this machine, at an address that pods reach. They go on running when this process ends. */
export async function servicesForCluster(kubectl: Kubectl): Promise<ServiceUrls> {
  const given = serviceUrlsFrom(process.env)
  if (serviceNames.every(name => given[name])) return given as ServiceUrls
  const host = await machineAddress(kubectl)
  if (!host) {
    throw new Error(
      'No address of this machine lies in the network of the cluster’s nodes, so its pods cannot reach services here.\nGive the addresses of services that they reach: TIDEMARK_POSTGRES_URL, TIDEMARK_REDIS_URL, TIDEMARK_KAFKA_BROKERS, TIDEMARK_REGISTRY_URL, TIDEMARK_SES_URL.',
    )
  }
  mkdirSync(localFolder, { recursive: true })
  return { ...(await startInBackground({ dataDir: `${localFolder}/services`, host })), ...given }
}

export async function deployLocally(deployment: LocalDeployment): Promise<Deployed> {
  const { kubectl, cluster, namespace, services, images, dataDir = localFolder, timeout, say } = deployment
  mkdirSync(dataDir, { recursive: true })
  const folder = render(
    {
      overlay: 'local',
      namespace,
      images,
      components: cluster.dispatches ? [] : ['kafka-source-stand-in'],
      brokers: services.kafka,
      settings: {
        KAFKA_BROKERS: services.kafka,
        SCHEMA_REGISTRY_URL: services.registry,
        SES_ENDPOINT: services.ses,
        FUNCTION_URL: `http://{name}.${namespace}.svc.cluster.local`,
        ALERTS_BROKER_URL: `http://broker-ingress.knative-eventing.svc.cluster.local/${namespace}/alerts`,
      },
    },
    deployment.folder,
  )
  if (!cluster.dispatches) say('no KafkaSource dispatcher runs in this cluster: the stand-in serves the same objects')
  const secrets = secretObjects(await localSecretValues(services, localSecrets(dataDir)), namespace)
  return deploy({
    kubectl,
    folder,
    dispatches: cluster.dispatches,
    namespace,
    secrets,
    timeout,
    say,
    keepTraffic: deployment.keepTraffic ?? false,
  })
}
