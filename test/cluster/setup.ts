import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Cluster, inspectCluster, machineAddress } from '../../deploy/cluster.ts'
import { removeNamespace } from '../../deploy/down.ts'
import { kubectl as kubectlOf } from '../../deploy/kubectl.ts'
import { deployLocally, loadImages } from '../../deploy/local.ts'
import { serviceUrlsFrom } from '../../local/services/service-urls.ts'
import { type ServiceUrls, startServices } from '../../local/services/start.ts'

/** What the tests are told of the system that was deployed for them. */
export interface ClusterUnderTest {
  readonly namespace: string
  /** The gateway's host name, and where the ingress takes requests for it. */
  readonly host: string
  readonly ingress: string
  readonly images: { readonly tidemark: string; readonly 'tidemark-local': string }
  readonly services: ServiceUrls
  readonly cluster: Cluster
  readonly dataDir: string
}

export const clusterVariable = 'TIDEMARK_TEST_CLUSTER'

/** A namespace of its own: what somebody runs in the same cluster stays as it is. */
const namespace = 'tidemark-test'
const timeout = 300_000

/** Deploys the system as `npm run deploy -- --overlay local` does, once for all test files. The files find it by the environment. */
export async function setUpCluster(dataDir: string, say: (line: string) => void): Promise<() => Promise<void>> {
  const kubectl = kubectlOf()
  const cluster = await inspectCluster(kubectl)
  const host = await machineAddress(kubectl)
  const given = serviceUrlsFrom(process.env)
  if (!host && Object.keys(given).length < 5) {
    throw new Error(
      'The cluster’s pods cannot reach this machine: give the addresses of services that they reach (TIDEMARK_…_URL).',
    )
  }
  // What a run that was killed has left would be another system's data.
  await removeNamespace(kubectl, namespace, cluster)
  mkdirSync(dataDir, { recursive: true })
  const started = await startServices({
    dataDir: join(dataDir, 'services'),
    urls: given,
    ports: 'free',
    ...(host && { host }),
    say,
  })
  const stop = async () => {
    await removeNamespace(kubectl, namespace, cluster).catch((error: Error) => say(error.message))
    await started.stop()
  }
  try {
    const images = await loadImages(say, process.env.TIDEMARK_IMAGE)
    const folder = join(dataDir, 'deploy')
    const deployed = await deployLocally({
      kubectl,
      cluster,
      namespace,
      services: started.urls,
      images,
      dataDir,
      folder,
      timeout,
      say,
    })
    if (!deployed.ingress) throw new Error('Nobody knows where the ingress takes requests: set TIDEMARK_INGRESS_URL.')
    const under: ClusterUnderTest = {
      ...{ namespace, images, cluster, dataDir, host: deployed.host, ingress: deployed.ingress },
      services: started.urls,
    }
    process.env[clusterVariable] = JSON.stringify(under)
    return stop
  } catch (error) {
    await stop()
    throw error
  }
}
