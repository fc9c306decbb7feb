import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { kubectl } from '../../deploy/kubectl.ts'

export type Found = { readonly found: true; readonly stop: () => Promise<void> } | { readonly found: false; readonly why: string }

/** The local cluster's scripts, where the project's surroundings have them, and what they have built. */
const scripts = fileURLToPath(new URL('../../../shared/cluster/', import.meta.url))
const state = process.env.TIDEMARK_CLUSTER ?? join(homedir(), '.cache/tidemark-cluster')
/** Milliseconds to boot a cluster whose binaries are built. Building them takes far longer than a test run may. */
const bootTimeout = 300_000

/** The cluster of KUBECONFIG, or the local one: running, or booted now when that takes no build. Sets KUBECONFIG. */
export async function findCluster(say: (line: string) => void): Promise<Found> {
  if (process.env.KUBECONFIG) return (await answers()) ? here : { found: false, why: `the cluster of KUBECONFIG does not answer` }
  const kubeconfig = join(state, 'kubeconfig')
  if (existsSync(kubeconfig)) {
    process.env.KUBECONFIG = kubeconfig
    if (await answers()) return here
  }
  const install = join(scripts, 'install.sh')
  const isBuilt = ['kubelet', 'kube-apiserver', 'kubectl', 'queue', 'kafka-controller'].every(name =>
    existsSync(join(state, 'bin', name)),
  )
  if (!existsSync(install) || !isBuilt || process.getuid?.() !== 0) {
    delete process.env.KUBECONFIG
    return { found: false, why: 'there is no cluster: set KUBECONFIG to one with Knative' }
  }
  say('booting the local cluster')
  try {
    await script(install)
    process.env.KUBECONFIG = kubeconfig
    return { found: true, stop: () => script(join(scripts, 'down.sh')) }
  } catch (error) {
    return { found: false, why: `the local cluster could not be booted: ${(error as Error).message}` }
  }
}

const here: Found = { found: true, stop: async () => {} }

async function answers(): Promise<boolean> {
  try {
    await kubectl().run(['version', '--request-timeout=5s'], { timeout: 15_000 })
    return true
  } catch {
    return false
  }
}

function script(file: string): Promise<void> {
  const child = spawn(file, { stdio: ['ignore', 'inherit', 'inherit'], timeout: bootTimeout })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', code => (code === 0 ? resolve() : reject(new Error(`${file} ended with ${code}`))))
  })
}
