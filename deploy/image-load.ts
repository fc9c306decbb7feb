import { existsSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { lastLines, run } from '../local/services/run-command.ts'

export interface LoadOptions {
  /** The cluster's kubeconfig. Default: KUBECONFIG, as kubectl reads it. */
  readonly kubeconfig?: string
  /** Default: the kubeconfig's current one. */
  readonly context?: string
  /** A command that takes the image's tar as its last argument. Default: TIDEMARK_LOAD_IMAGE. */
  readonly command?: string
  /** For tests. */
  readonly env?: NodeJS.ProcessEnv
  readonly sockets?: readonly string[]
}

/** How an image gets into the cluster: what to run with the tar's path, and how to ask whether it is there already. */
export interface Loader {
  readonly by: string
  readonly load: (tar: string) => readonly string[]
  readonly list?: readonly string[]
}

/** Puts an image into the cluster without a registry. */
export async function loadImage(
  image: { name: string; tar: string },
  options: LoadOptions = {},
): Promise<{ by: string; loaded: boolean }> {
  const env = options.env ?? process.env
  const { by, load, list } = await chooseLoader(options)
  if (list && (await answers(list, env)).split('\n').includes(image.name)) return { by, loaded: false }
  const [file = '', ...args] = load(image.tar)
  try {
    await run(file, args, { env, timeoutMs: 300_000 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new Error(`The image is loaded by ${by}, and there is no ${file} on the PATH.`, { cause: error })
  }
  return { by, loaded: true }
}

export async function chooseLoader(options: LoadOptions): Promise<Loader> {
  const env = options.env ?? process.env
  const command = options.command ?? env.TIDEMARK_LOAD_IMAGE
  if (command) return { by: 'TIDEMARK_LOAD_IMAGE', load: tar => ['sh', '-c', `${command} "$1"`, 'load', tar] }
  const kubeconfig = options.kubeconfig ?? env.KUBECONFIG?.split(delimiter)[0]
  const context = options.context ?? (await currentContext(kubeconfig, env))
  const named = (prefix: string) => context.slice(prefix.length)
  if (context.startsWith('kind-')) {
    return { by: 'kind', load: tar => ['kind', 'load', 'image-archive', tar, '--name', named('kind-')] }
  }
  if (context.startsWith('k3d-')) return { by: 'k3d', load: tar => ['k3d', 'image', 'import', tar, '--cluster', named('k3d-')] }
  // A profile has any name; its context has the same.
  if (
    context &&
    (await answers(['minikube', 'status', '--profile', context, '--format', '{{.Host}}'], env)).trim() === 'Running'
  ) {
    return { by: 'minikube', load: tar => ['minikube', 'image', 'load', tar, '--profile', context] }
  }
  const sockets = options.sockets ?? [
    ...(kubeconfig ? [join(dirname(kubeconfig), 'run/containerd.sock')] : []),
    '/run/containerd/containerd.sock',
    '/run/k3s/containerd/containerd.sock',
  ]
  const socket = sockets.find(path => existsSync(path))
  if (socket) {
    const images = ['ctr', '--address', socket, '--namespace', 'k8s.io', 'images']
    return { by: `containerd at ${socket}`, load: tar => [...images, 'import', tar], list: [...images, 'list', '--quiet'] }
  }
  throw new Error(`The image cannot be put into the cluster of context ${context || '(none)'}: it is none of kind, k3d and minikube, and there is no
containerd socket on this machine. Push the image to a registry that the cluster reads and name it by --image, or say how it is
loaded: TIDEMARK_LOAD_IMAGE='COMMAND' is run with the path of its tar as the last argument.`)
}

const currentContext = async (kubeconfig: string | undefined, env: NodeJS.ProcessEnv): Promise<string> =>
  lastLines(await answers(['kubectl', ...(kubeconfig ? ['--kubeconfig', kubeconfig] : []), 'config', 'current-context'], env), 1)

/** What a command prints, nothing when it fails or is not there. */
const answers = ([file = '', ...args]: readonly string[], env: NodeJS.ProcessEnv): Promise<string> =>
  run(file, args, { env, timeoutMs: 20_000 }).catch(() => '')
