import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { cacheFolder } from '../local/services/cache.ts'
import { inspectMachine } from '../local/services/machine.ts'
import { freePort, isFree, loopback } from '../local/services/ports.ts'
import { redisService } from '../local/services/redis.ts'
import { until } from './environment.ts'

/** Slots of Redis Cluster: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/ */
const allSlots = 16_384

export interface RedisNode {
  readonly port: number
  /** A connection for the test itself, to this node alone. */
  readonly admin: Redis
  /** Ends the process as a lost machine would. */
  kill(): Promise<void>
  /** Halts the process: its connections stay open and are silent. */
  halt(): void
}

export interface RedisCluster {
  /** `redis+cluster://…` of the first node. */
  readonly url: string
  /** Three with a third of the slots each; the last is a replica of the second. */
  readonly nodes: readonly RedisNode[]
  /** Which of `nodes` holds a key. */
  holderOf(key: string): Promise<number>
  stop(): Promise<void>
}

/** A real cluster on free ports: three primaries, the second with a replica that takes over about a second after it is lost. */
export async function startRedisCluster(): Promise<RedisCluster> {
  const folder = await mkdtemp(join(tmpdir(), 'redis-cluster-'))
  const cache = cacheFolder()
  const { tools } = await inspectMachine(cache)
  const nodes: RedisNode[] = []
  const stop = async () => {
    for (const { admin } of nodes) admin.disconnect()
    await Promise.all(nodes.map(node => node.kill()))
    await rm(folder, { recursive: true, force: true })
  }
  try {
    for (let index = 0; index < 4; index++) {
      const { service } = await redisService({
        dataDir: join(folder, String(index)),
        cache,
        host: loopback,
        redisServer: tools.redisServer,
        choosePort: portWithBus,
        say: () => {},
      })
      nodes.push(startNode(service.program()))
    }
    await Promise.all(nodes.map(({ admin }) => admin.ping()))
    await form(nodes)
  } catch (error) {
    await stop()
    throw error
  }
  const first = nodes[0] as RedisNode
  const holders = await Promise.all(nodes.map(({ admin }) => admin.call('cluster', 'myid')))
  return {
    url: `redis+cluster://${loopback}:${first.port}`,
    nodes,
    async holderOf(key) {
      const slot = Number(await first.admin.call('cluster', 'keyslot', key))
      const ranges = (await first.admin.call('cluster', 'slots')) as [number, number, [string, number, string]][]
      return holders.indexOf(ranges.find(([from, to]) => from <= slot && slot <= to)?.[2][2])
    },
    stop,
  }
}

/** A node's bus has the port 10 000 above its own. */
async function portWithBus(): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const port = await freePort()
    if (await isFree(port + 10_000)) return port
  }
  throw new Error('no free pair of ports')
}

function startNode({ file, args, cwd }: { file: string; args: string[]; cwd?: string }): RedisNode {
  const settings = {
    'cluster-enabled': 'yes',
    'cluster-node-timeout': '500',
    'cluster-require-full-coverage': 'no',
    'cluster-replica-validity-factor': '0',
  }
  const more = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
  const child: ChildProcess = spawn(file, [...args, ...more], { cwd, stdio: 'ignore' })
  const exited = once(child, 'exit')
  // A test that ends early leaves nothing behind.
  process.once('exit', () => child.kill('SIGKILL'))
  const port = Number(args[args.indexOf('--port') + 1])
  const admin = new Redis({ host: loopback, port, retryStrategy: () => 50, maxRetriesPerRequest: null })
  admin.on('error', () => {})
  return {
    port,
    admin,
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
    halt: () => void child.kill('SIGSTOP'),
  }
}

async function form(nodes: readonly RedisNode[]): Promise<void> {
  const [first, ...others] = nodes.map(({ admin }) => admin) as [Redis, ...Redis[]]
  for (const { port } of nodes.slice(1)) await first.call('cluster', 'meet', loopback, port)
  for (const [index, { admin }] of nodes.slice(0, 3).entries()) {
    const from = Math.ceil((allSlots * index) / 3)
    const length = Math.ceil((allSlots * (index + 1)) / 3) - from
    // Ranges of slots can be given since Redis 7 only.
    await admin.call('cluster', 'addslots', ...Array.from({ length }, (_, slot) => from + slot))
  }
  const everybody = (pattern: RegExp, command: string) =>
    until(
      `every node says ${pattern}`,
      () => Promise.all([first, ...others].map(admin => admin.call('cluster', command))),
      texts => texts.every(text => pattern.test(String(text))),
    )
  await everybody(/cluster_known_nodes:4/, 'info')
  const primary = String(await others[0]?.call('cluster', 'myid'))
  await others.at(-1)?.call('cluster', 'replicate', primary)
  await everybody(/cluster_state:ok/, 'info')
  await everybody(new RegExp(`slave ${primary}`), 'nodes')
}
