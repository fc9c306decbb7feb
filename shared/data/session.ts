import type postgres from 'postgres'
import { Transient } from '../errors.ts'

type Client = postgres.Sql<{ bigint: number }>

/** A connection of one's own: for a transaction, or for a lock that lives as long as its connection. */
export interface Session {
  readonly sql: Client
  /** Rejects when the connection is lost. What still waits on it may never settle, so everybody races with this. */
  readonly lost: Promise<never>
  /** Gives the connection to the next one. */
  release(): void
}

/** A session that nobody takes gives its connection back: connections are a budget. */
const idleMilliseconds = 30_000

/**
 * postgres.js 3.4.9 ends the process when a reserved connection is used after the server has closed it, and its own `begin` does
 * that to roll back (https://github.com/porsager/postgres/issues/1208). So a session is a client with one connection, which says
 * when it is closed and is not touched any more from then on.
 */
export class Sessions {
  readonly #open: (onclose: () => void) => Client
  readonly #limit: number
  readonly #idle = new Map<OneConnection, NodeJS.Timeout>()
  readonly #waiting: PromiseWithResolvers<OneConnection>[] = []
  #count = 0

  constructor(open: (onclose: () => void) => Client, limit: number) {
    this.#open = open
    this.#limit = limit
  }

  async take(): Promise<Session> {
    const session = await this.#next()
    return { sql: session.sql, lost: session.hold(), release: () => void (session.letGo() && this.#giveBack(session)) }
  }

  async close(): Promise<void> {
    for (const timer of this.#idle.values()) clearTimeout(timer)
    const ending = [...this.#idle.keys()].map(session => session.end())
    this.#idle.clear()
    await Promise.all(ending)
  }

  #next(): OneConnection | Promise<OneConnection> {
    const idle = [...this.#idle].at(-1)
    if (idle) {
      clearTimeout(idle[1])
      this.#idle.delete(idle[0])
      return idle[0]
    }
    if (this.#count < this.#limit) return this.#connect()
    const waiting = Promise.withResolvers<OneConnection>()
    this.#waiting.push(waiting)
    return waiting.promise
  }

  async #connect(): Promise<OneConnection> {
    this.#count++
    try {
      return await OneConnection.open(this.#open, session => this.#forget(session))
    } catch (error) {
      this.#replace()
      throw error
    }
  }

  #giveBack(session: OneConnection): void {
    if (session.isLost) return
    const next = this.#waiting.shift()
    if (next) next.resolve(session)
    else this.#idle.set(session, setTimeout(() => this.#retire(session), idleMilliseconds).unref())
  }

  #retire(session: OneConnection): void {
    this.#idle.delete(session)
    void session.end()
  }

  #forget(session: OneConnection): void {
    clearTimeout(this.#idle.get(session))
    this.#idle.delete(session)
    this.#replace()
  }

  /** A connection is gone: who waits for one is given a new one. */
  #replace(): void {
    this.#count--
    const next = this.#waiting.shift()
    if (next) this.#connect().then(next.resolve, next.reject)
  }
}

class OneConnection {
  readonly #client: Client
  #reserved: postgres.ReservedSql<{ bigint: number }> | undefined
  #tell: ((lost: Error) => void) | undefined
  isLost = false

  static async open(open: (onclose: () => void) => Client, onLost: (session: OneConnection) => void): Promise<OneConnection> {
    const session = new OneConnection(open, onLost)
    try {
      // The driver never gives out a connection that it opens for a reservation, unless it asks for array types first.
      await session.#client`select 1`
      session.#reserved = await session.#client.reserve()
    } catch (error) {
      void session.#client.end({ timeout: 0 })
      throw error
    }
    return session
  }

  private constructor(open: (onclose: () => void) => Client, onLost: (session: OneConnection) => void) {
    this.#client = open(() => {
      // A connection that never was is reported by `open`.
      if (this.isLost || !this.#reserved) return
      this.isLost = true
      this.#tell?.(connectionLost())
      void this.#client.end({ timeout: 0 })
      onLost(this)
    })
  }

  /** A promise for each holder: one for the connection's whole life would keep something of every race with it. */
  hold(): Promise<never> {
    const { promise: lost, reject } = Promise.withResolvers<never>()
    lost.catch(() => {})
    if (this.isLost) reject(connectionLost())
    this.#tell = reject
    return lost
  }

  /** @returns false when nobody held it */
  letGo(): boolean {
    const held = this.#tell !== undefined
    this.#tell = undefined
    return held
  }

  get sql(): Client {
    return new Proxy(this.#reserved as Client, {
      apply: (target, self, statement) => (this.isLost ? refused() : Reflect.apply(target, self, statement)),
    })
  }

  async end(): Promise<void> {
    this.#reserved?.release()
    await this.#client.end({ timeout: 5 })
  }
}

const connectionLost = () => new Transient('unavailable', 'The connection to the database was lost.')

function refused(): Promise<never> {
  const refusal = Promise.reject(connectionLost())
  refusal.catch(() => {})
  return refusal
}
