import { cached } from './cache.ts'
import { pipInstall } from './java.ts'
import type { Say, Service } from './service.ts'

/** Wheels with native parts fit one Python only, hence its version in the name. */
export function motoInCache(pythonVersion: string): string {
  return `moto-5.2.5-python-${pythonVersion.split('.').slice(0, 2).join('.')}`
}

/**
 * SES is all that is used of moto. `moto[server]` would bring every AWS service's packages: 291 MB in 37 s; these are 114 MB in 15 s.
 */
const packages = ['moto[ses]==5.2.5', 'flask==3.1.3', 'flask-cors==6.0.5']

export async function probeSes(url: string): Promise<void> {
  const answer = await fetch(`${url}/moto-api/data.json`, { signal: AbortSignal.timeout(2_000) })
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`)
  await answer.arrayBuffer()
}

/** An SES-speaking server. It forgets its mail when it stops, which suits tests. */
export async function sesService(options: {
  cache: string
  host: string
  python: string
  pythonVersion: string
  choosePort: () => Promise<number>
  say: Say
}): Promise<{ service: Service; url: string }> {
  const { cache, host, python, say } = options
  const folder = await cached(cache, motoInCache(options.pythonVersion), say, target => pipInstall(python, target, packages))
  const port = await options.choosePort()
  const url = `http://${host}:${port}`
  const service: Service = {
    name: 'ses',
    program: () => ({
      file: python,
      args: ['-m', 'moto.server', '-H', host, '-p', String(port)],
      env: { ...process.env, PYTHONPATH: folder },
    }),
    probe: () => probeSes(url),
    // The first start compiles 3,000 Python files.
    readyWithinMs: 60_000,
    stopSignal: 'SIGTERM',
    stopWithinMs: 5_000,
  }
  return { service, url }
}
