import { Transient } from '../errors.ts'
import { type Database, type Queryable, transientOr } from './postgres.ts'

export interface ReplicaOptions {
  readonly primary: Database
  /** Absent where none was given: everything is read from the primary then. */
  readonly replica: Database | undefined
  /** Milliseconds that a replica may be behind. Asked with every look. */
  readonly maxLag: () => number
  /** Told where each list was read. */
  readonly observe?: (from: 'replica' | 'primary') => void
  readonly clock?: () => number
}

/** Milliseconds between two looks at how far the replica is. */
const interval = 1_000

/**
 * Reads that need not be the newest, from a streaming replica while it is there and keeps up, else from the primary.
 *
 * The lag is measured by what the primary had written when: a replica that has replayed up to there is no older. The time of the last
 * replayed transaction would call an idle primary's replica old, and a lost one young.
 */
export class ReplicaReads {
  readonly #options: ReplicaOptions
  readonly #clock: () => number
  #written: readonly { readonly at: number; readonly position: number }[] = []
  #look: { readonly at: number; readonly keepsUp: Promise<boolean> } | undefined

  constructor(options: ReplicaOptions) {
    this.#options = options
    this.#clock = options.clock ?? (() => performance.now())
  }

  async read<T>(work: (sql: Queryable) => PromiseLike<T>): Promise<T> {
    const { primary, replica, observe } = this.#options
    if (replica && (await this.#keepsUp(replica))) {
      try {
        const result = await work(replica.sql)
        observe?.('replica')
        return result
      } catch (error) {
        this.#isAway(error)
      }
    }
    const result = await work(primary.sql)
    if (replica) observe?.('primary')
    return result
  }

  /** What the replica says, however old; undefined when there is none. For who knows the version that it must have. */
  async ifThere<T>(work: (sql: Queryable) => PromiseLike<T>): Promise<T | undefined> {
    const { replica } = this.#options
    if (!replica || !(await this.#keepsUp(replica))) return undefined
    try {
      return await work(replica.sql)
    } catch (error) {
      this.#isAway(error)
      return undefined
    }
  }

  /** A replica that fails is left alone until the next look; an error that the primary would give too is given. */
  #isAway(error: unknown): void {
    if (!(transientOr(error) instanceof Transient)) throw error
    this.#look = { at: this.#clock(), keepsUp: Promise.resolve(false) }
  }

  #keepsUp(replica: Database): Promise<boolean> {
    const at = this.#clock()
    if (!this.#look || at - this.#look.at >= interval) this.#look = { at, keepsUp: this.#measure(replica, at).catch(() => false) }
    return this.#look.keepsUp
  }

  async #measure(replica: Database, at: number): Promise<boolean> {
    const { primary, maxLag } = this.#options
    const [written] = await primary.sql<{ position: number }[]>`select (pg_current_wal_lsn() - '0/0')::bigint as position`
    this.#written = [...this.#written.filter(known => at - known.at <= maxLag()), { at, position: written?.position ?? 0 }]
    const [replayed] = await replica.sql<{ position: number | null }[]>`
      select (pg_last_wal_replay_lsn() - '0/0')::bigint as position`
    const position = replayed?.position ?? -1
    return this.#written.some(known => known.position <= position)
  }
}
