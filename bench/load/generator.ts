import { Connection } from './connection.ts'
import { at, type Refusals, Tally } from './tally.ts'
import { fill, type RequestShape, template } from './template.ts'

export interface Load {
  readonly port: number
  readonly request: RequestShape
  readonly status: number
  /** The status of a refusal, where there may be some: answers are then counted apart, and none ends the load. */
  readonly refusal?: number
  readonly connections: number
  readonly seconds: number
  /** Seconds of the same load before that do not count. */
  readonly warmUp: number
  /** Requests a second, sent at their times whatever the answers do. Without it each connection sends when it has its answer. */
  readonly rate?: number
  readonly skus: number
  /** Where the keys begin, so that no two loads of a bench share one. */
  readonly firstKey: number
}

export interface LoadResult {
  /** Answers within the measured seconds. */
  readonly answers: number
  readonly perSecond: number
  /** Milliseconds from when a request was due to its whole answer; from when it went out, where some may be refused. */
  readonly p50: number
  readonly p99: number
  /** Of a load with a `refusal`. */
  readonly refusals?: Refusals
}

/** Connections that are opened at once: a server lets so many wait to be accepted. */
const openedAtOnce = 256

/** Answers that may still be outstanding when the time is over get this long; longer where more may have been offered than can be answered. */
const lastAnswers = 5_000
const lastAnswersOfOverload = 12_000

export async function generate(load: Load): Promise<LoadResult> {
  const made = template(load.request)
  const took: number[] = []
  const { promise: failed, reject } = Promise.withResolvers<never>()
  const idle: Connection[] = []
  /** When requests were due that no connection was free for; those before `lateSent` have gone. */
  const late: number[] = []
  let lateSent = 0
  let key = load.firstKey
  let inFlight = 0
  const connections: Connection[] = []
  const one = () => Connection.open(load.port, Buffer.from(made.bytes), answered, reject)
  while (connections.length < load.connections) {
    const next = Math.min(load.connections - connections.length, openedAtOnce)
    connections.push(...(await Promise.all(Array.from({ length: next }, one))))
  }
  const start = performance.now()
  const from = start + load.warmUp * 1_000
  const until = from + load.seconds * 1_000
  const { status: wanted, refusal } = load
  const tally = refusal === undefined ? undefined : new Tally({ from, until, status: wanted, refusal })
  const sku = load.skus === 1 ? () => 0 : () => Math.floor(Math.random() * load.skus)

  function send(connection: Connection, due: number): void {
    connection.due = due
    connection.sent = performance.now()
    tally?.sent(connection)
    fill(made, connection.bytes, key++, sku)
    inFlight++
    connection.send()
  }

  function answered(connection: Connection, status: number, answer: Buffer): void {
    inFlight--
    const now = performance.now()
    if (tally) tally.answered(connection, status, answer)
    else if (status !== wanted) reject(new Error(`An answer had the status ${status} and not ${wanted}.`))
    else if (connection.due >= from && now <= until) took.push(now - connection.due)
    if (load.rate === undefined) {
      if (now < until) send(connection, now)
      return
    }
    const due = late[lateSent]
    if (due === undefined) idle.push(connection)
    else {
      lateSent++
      send(connection, due)
    }
  }

  const finished =
    load.rate === undefined
      ? closedLoop(connections, until, send)
      : openLoop({ rate: load.rate, start, until }, due => {
          const connection = idle.pop()
          if (connection) send(connection, due)
          else late.push(due)
        })
  if (load.rate !== undefined) idle.push(...connections)
  try {
    await Promise.race([finished, failed])
    await tally?.ended()
    await Promise.race([drained(() => inFlight + late.length - lateSent, tally ? lastAnswersOfOverload : lastAnswers), failed])
  } finally {
    for (const connection of connections) connection.close()
  }
  if (tally) return tally.result()
  took.sort((a, b) => a - b)
  return { answers: took.length, perSecond: took.length / load.seconds, p50: at(took, 0.5), p99: at(took, 0.99) }
}

async function closedLoop(connections: readonly Connection[], until: number, send: (c: Connection, due: number) => void) {
  for (const connection of connections) send(connection, performance.now())
  await new Promise(resolve => setTimeout(resolve, until - performance.now()))
}

/** A timer is late by up to a millisecond and more; a request that should have gone out before counts from when it should have. */
function openLoop(times: { rate: number; start: number; until: number }, send: (due: number) => void): Promise<void> {
  return new Promise(resolve => {
    let sent = 0
    const tick = () => {
      const now = performance.now()
      for (;;) {
        const due = times.start + (sent * 1_000) / times.rate
        if (due >= times.until) return resolve()
        if (due > now) break
        sent++
        send(due)
      }
      setTimeout(tick, 1)
    }
    tick()
  })
}

async function drained(outstanding: () => number, within: number): Promise<void> {
  const end = performance.now() + within
  while (outstanding() > 0) {
    if (performance.now() > end) throw new Error(`${outstanding()} requests had no answer ${within} ms after the last one.`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}
