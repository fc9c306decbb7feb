import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { cached } from './cache.ts'
import { readJarEntry } from './jar-entry.ts'
import { copyArtifacts } from './maven.ts'
import { loopback } from './ports.ts'
import type { Say, Service } from './service.ts'

export const redisInCache = 'redis-server-of-embedded-redis-1.4.4'

const builds: Record<string, string> = {
  'linux-x64': 'redis-server-6.2.6-v5-linux-amd64',
  'linux-arm64': 'redis-server-6.2.7-linux-arm64',
  'darwin-x64': 'redis-server-6.2.6-v5-darwin-amd64',
  'darwin-arm64': 'redis-server-6.2.6-v5-darwin-arm64',
}

async function redisFromMaven(cache: string, say: Say): Promise<string> {
  return cached(cache, redisInCache, say, async target => {
    const build = builds[`${process.platform}-${process.arch}`]
    if (!build) throw new Error(`no Redis binary for ${process.platform}-${process.arch} in Maven: install redis-server`)
    const folder = join(target, '..', 'jar')
    await copyArtifacts(
      [{ group: 'com.github.codemonstur', id: 'embedded-redis', version: '1.4.4', dependencies: false }],
      folder,
    )
    const [jar = ''] = await readdir(folder)
    await writeFile(target, readJarEntry(await readFile(join(folder, jar)), build), { mode: 0o755 })
  })
}

export function probeRedis(url: string): Promise<void> {
  const { hostname, port, password } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port || 6379) })
    socket.setTimeout(1_500, () => socket.destroy(new Error('no PONG in 1.5 s')))
    socket.once('error', reject)
    socket.once('connect', () => socket.write(`${password && `AUTH ${password}\r\n`}PING\r\n`))
    let answer = ''
    socket.on('data', chunk => {
      answer += chunk
      // One line for each command; the first may come alone.
      if (/^\+OK\r\n$/.test(answer)) return
      socket.destroy()
      if (answer.endsWith('+PONG\r\n')) resolve()
      else reject(new Error(`PING was answered by ${answer.trim()}`))
    })
  })
}

export async function redisService(options: {
  dataDir: string
  cache: string
  host: string
  redisServer: string | undefined
  choosePort: () => Promise<number>
  say: Say
}): Promise<{ service: Service; url: string }> {
  const program = options.redisServer ?? (await redisFromMaven(options.cache, options.say))
  const folder = join(options.dataDir, 'redis')
  await mkdir(folder, { recursive: true })
  const { host } = options
  const port = await options.choosePort()
  // Alone on this machine it asks nobody for a password, and nobody else can reach it.
  const password = host === loopback ? '' : await passwordIn(folder)
  const url = `redis://${password && `:${password}@`}${host}:${port}`
  const settings = {
    port: String(port),
    bind: host,
    dir: folder,
    // A cache: nothing in it may be missed, so nothing is written to disk and the oldest goes first.
    save: '',
    appendonly: 'no',
    maxmemory: '256mb',
    'maxmemory-policy': 'allkeys-lru',
  }
  const file = join(folder, 'redis.conf')
  // A command line can be read by every user of the machine.
  await writeFile(file, password && `requirepass ${password}\n`, { mode: 0o600 })
  const service: Service = {
    name: 'redis',
    program: () => ({
      file: program,
      args: [file, ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])],
      cwd: folder,
    }),
    probe: () => probeRedis(url),
    readyWithinMs: 15_000,
    stopSignal: 'SIGTERM',
    stopWithinMs: 5_000,
  }
  return { service, url }
}

/** The same at every start, as clients were told it. */
async function passwordIn(folder: string): Promise<string> {
  const file = join(folder, 'password')
  const known = await readFile(file, 'utf8').catch(() => '')
  if (known) return known
  const password = randomBytes(24).toString('hex')
  await writeFile(file, password, { mode: 0o600 })
  return password
}
