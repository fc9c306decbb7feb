import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import type { Say } from './service.ts'

const preferred = { postgres: 7432, redis: 7479, kafka: 7492, 'kafka-controller': 7493, registry: 7481, ses: 7485 } as const
export type PortName = keyof typeof preferred

export const loopback = '127.0.0.1'

export function isFree(port: number, host = loopback): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)))
  })
}

const taken = new Set<number>()

/**
 * Below 30000, where the node ports of a Kubernetes on this machine begin: what it forwards, nobody else gets, though it can listen
 * there. Linux hands out ports to outgoing connections from 32768 on: one from there could be lent to a client while its service restarts.
 */
export async function freePort(host = loopback): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = randomInt(20_000, 30_000)
    if (taken.has(port) || !(await isFree(port, host))) continue
    taken.add(port)
    return port
  }
  throw new Error(`no free port between 20000 and 30000 on ${host}`)
}

export async function choosePort(name: PortName, policy: 'preferred' | 'free', say: Say, host = loopback): Promise<number> {
  if (policy === 'free') return freePort(host)
  const wanted = preferred[name]
  if (await isFree(wanted, host)) return wanted
  const port = await freePort(host)
  say(`${name}: port ${wanted} is taken, using ${port}`)
  return port
}
