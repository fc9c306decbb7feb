import { connect, type Socket } from 'node:net'
import { quantile } from '../measure.ts'
import { stockEvents } from './stock-events.ts'

export interface Deliveries {
  readonly port: number
  readonly registryUrl: string
  readonly connections: number
  readonly seconds: number
  /** Seconds of the same before that do not count. */
  readonly warmUp: number
  /** Events a second, sent at their times whatever the answers do. Without it each connection sends when it has its answer. */
  readonly rate?: number
}

export interface Delivered {
  readonly perSecond: number
  /** Milliseconds from when an event was due to its answer. */
  readonly p50: number
  readonly p95: number
  readonly p99: number
}

/** What came faster than it is judged is judged in this time. */
const lastAnswers = 30_000

/** An answer to an event is a status without a body. */
const taken = /^HTTP\/1\.1 204 /

/** Sends events and waits for the answers, as the dispatcher does. Any answer but 204 ends it. */
export async function deliver(load: Deliveries): Promise<Delivered> {
  const next = await stockEvents(load.registryUrl)
  const { promise: failed, reject } = Promise.withResolvers<never>()
  const took: number[] = []
  const late: number[] = []
  const idle: Socket[] = []
  const dueOf = new Map<Socket, number>()
  const start = performance.now()
  const from = start + load.warmUp * 1_000
  const until = from + load.seconds * 1_000

  function send(socket: Socket, due: number): void {
    dueOf.set(socket, due)
    socket.write(next())
  }

  function answered(socket: Socket, answer: Buffer): void {
    const text = answer.toString('latin1')
    if (!taken.test(text)) {
      reject(new Error(`An event was answered ${text.slice(0, 300)}`))
      return
    }
    const [now, due] = [performance.now(), dueOf.get(socket) ?? 0]
    dueOf.delete(socket)
    if (due >= from && now <= until) took.push(now - due)
    if (load.rate === undefined) {
      if (now < until) send(socket, now)
      return
    }
    const waiting = late.shift()
    if (waiting === undefined) idle.push(socket)
    else send(socket, waiting)
  }

  const sockets = await Promise.all(
    Array.from({ length: load.connections }, async () => {
      const socket = connect({ port: load.port, host: '127.0.0.1', noDelay: true })
      await new Promise((resolve, refuse) => socket.once('connect', resolve).once('error', refuse))
      return socket.on('error', reject).on('data', answer => answered(socket, answer))
    }),
  )
  try {
    if (load.rate === undefined) for (const socket of sockets) send(socket, performance.now())
    else idle.push(...sockets)
    await Promise.race([
      load.rate === undefined ? pause(until - performance.now()) : atTheirTimes(load.rate, start, until),
      failed,
    ])
    const end = performance.now() + lastAnswers
    while (dueOf.size + late.length > 0) {
      if (performance.now() > end) throw new Error(`${dueOf.size + late.length} events had no answer after ${lastAnswers} ms.`)
      await Promise.race([pause(5), failed])
    }
  } finally {
    for (const socket of sockets) socket.destroy()
  }
  return { perSecond: took.length / load.seconds, p50: quantile(took, 0.5), p95: quantile(took, 0.95), p99: quantile(took, 0.99) }

  async function atTheirTimes(rate: number, first: number, last: number): Promise<void> {
    for (let sent = 0; ; await pause(1)) {
      for (let due = first + (sent * 1_000) / rate; due <= performance.now(); due = first + (++sent * 1_000) / rate) {
        if (due >= last) return
        const socket = idle.pop()
        if (socket) send(socket, due)
        else late.push(due)
      }
    }
  }
}

const pause = (milliseconds: number) => new Promise(resolve => setTimeout(resolve, milliseconds))

/** A process of its own, so that it shares no thread with what it measures: `node deliveries.ts '{…}'`. */
const [, entry, given] = process.argv
if (entry === import.meta.filename && given) console.log(JSON.stringify(await deliver(JSON.parse(given) as Deliveries)))
