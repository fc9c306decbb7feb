import { retailer } from '../local/issuer.ts'
import { stopInBackground } from '../local/services/background.ts'
import { inspectCluster } from './cluster.ts'
import { type Deployed, deploy } from './deploy.ts'
import { removeNamespace } from './down.ts'
import { type Kubectl, KubectlError, kubectl } from './kubectl.ts'
import { deployLocally, loadImages, localFolder, servicesForCluster } from './local.ts'
import { type DeployOptions, readOptions, UsageError, usage } from './options.ts'
import { render } from './render.ts'

const began = Date.now()
const say = (line: string) => console.log(`${((Date.now() - began) / 1_000).toFixed(1).padStart(6)} s  ${line}`)

try {
  const options = readOptions(process.argv.slice(2))
  if (options === 'help') console.log(usage())
  else await main(options)
} catch (error) {
  if (error instanceof UsageError) console.error(`${error.message}\n\n${usage()}`)
  else console.error(error instanceof KubectlError || error instanceof Error ? error.message : error)
  process.exitCode = error instanceof UsageError ? 2 : 1
}

async function main(options: DeployOptions): Promise<void> {
  const cluster = kubectl({ context: options.context })
  if (options.render) return console.log(await cluster.run(['kustomize', rendered(options)]))
  if (options.down) return takeDown(cluster, options)
  const found = await inspectCluster(cluster)
  say(`Kubernetes ${found.version} with Knative`)
  const { namespace, timeout, keepTraffic } = options
  const deployed =
    options.overlay === 'local'
      ? await deployLocally({
          kubectl: cluster,
          cluster: found,
          ...{ namespace, timeout, keepTraffic, say },
          services: await servicesForCluster(cluster),
          images: await loadImages(say, options.image),
        })
      : await deploy({
          kubectl: cluster,
          folder: rendered(options),
          dispatches: found.dispatches,
          namespace,
          timeout,
          keepTraffic,
          say,
        })
  tell(options, deployed)
}

function rendered({ overlay, namespace, image }: DeployOptions): string {
  return render({ overlay, namespace, images: { tidemark: image ?? 'dev.local/tidemark:unset' }, settings: {}, components: [] })
}

function tell({ overlay }: DeployOptions, { functions, host, ingress }: Deployed): void {
  say(`${functions.length} functions run`)
  console.log(`\nThe gateway: http://${host}`)
  if (!ingress) return
  const at = ingress === `http://${host}` ? '' : ` -H 'host: ${host}'`
  console.log(`From here:   curl${at} ${ingress}/openapi.json`)
  if (overlay !== 'local') return
  console.log(
    `A token:     curl${at} -u ${retailer.id}:${retailer.secret} -d grant_type=client_credentials ${ingress}/oauth/token`,
  )
  console.log(`A replay:    npm run replay -- replay/sample.csv --url ${ingress} --host ${host}`)
}

async function takeDown(cluster: Kubectl, { overlay, namespace }: DeployOptions): Promise<void> {
  await removeNamespace(cluster, namespace, await inspectCluster(cluster))
  say(`namespace ${namespace} is gone`)
  if (overlay !== 'local') return
  await stopInBackground(`${localFolder}/services`)
  say('the services on this machine are stopped; their data, and the keys that open it, stay in .tidemark/cluster')
}
