import type { RedisClient } from '../../shared/data/redis.ts'
import type { Level } from './levels.ts'

export interface LevelCacheOptions {
  readonly redis: RedisClient
  /** How long a level is believed; 0 switches the cache off. Asked with every use. */
  readonly seconds: () => number
  /** Told what became of each look. */
  readonly observe?: (result: 'hit' | 'miss' | 'away') => void
  readonly clock?: () => number
}

/**
 * Levels of stock in Redis: one hash a SKU, so that nothing but single keys is spoken of; a field a location, and `*` when all locations
 * are there. A field holds `version expires onHand reserved available`.
 *
 * A field is only ever replaced by one of the same or a newer version. So whoever read the database before a change and comes after
 * its writer is refused, as long as the writer's field is there; and it is, because a reader that took longer than half its life
 * writes nothing. What a crash between commit and cache leaves behind is believed until it expires.
 */
const putLevels = `
  local time = redis.call('time')
  local expires = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1])
  for i = 3, #ARGV, 3 do
    local known = redis.call('hget', KEYS[1], ARGV[i])
    if not known or tonumber(string.match(known, '^%d+')) <= tonumber(ARGV[i + 1]) then
      redis.call('hset', KEYS[1], ARGV[i], ARGV[i + 1] .. ' ' .. expires .. ' ' .. ARGV[i + 2])
    end
  end
  if ARGV[2] == 'all' then redis.call('hset', KEYS[1], '*', expires) end
  redis.call('pexpire', KEYS[1], ARGV[1])`

type WithPutLevels = RedisClient & { putLevels(key: string, ...args: (string | number)[]): Promise<unknown> }

/** SKUs whose changes Redis has not confirmed, at most. Above, the oldest are left to expire. */
const unconfirmedLimit = 10_000

/** Milliseconds until what Redis did not take is given to it again. */
const again = 1_000

export class LevelCache {
  readonly #redis: WithPutLevels
  readonly #options: LevelCacheOptions
  readonly #clock: () => number
  /** What this instance has changed, by SKU and location, until Redis has it: nothing older is a hit here. */
  readonly #unconfirmed = new Map<string, Map<string, Level>>()
  #flushing = false

  constructor(options: LevelCacheOptions) {
    this.#options = options
    this.#clock = options.clock ?? Date.now
    options.redis.defineCommand('putLevels', { numberOfKeys: 1, lua: putLevels })
    this.#redis = options.redis as WithPutLevels
  }

  async level(sku: string, location: string): Promise<Level | undefined> {
    const text = await this.#look(() => this.#redis.hget(keyOf(sku), location))
    const level = text ? this.#parsed(sku, location, text) : undefined
    return this.#told(text === undefined, level && this.#isNewest(level) ? level : undefined)
  }

  /** The levels of a SKU at all locations, when all are known. */
  async levels(sku: string): Promise<readonly Level[] | undefined> {
    const fields = await this.#look(() => this.#redis.hgetall(keyOf(sku)))
    return this.#told(fields === undefined, fields && this.#complete(sku, fields))
  }

  /**
   * Keeps what is loaded, unless the loading took so long that the field of a change meanwhile may be gone.
   * @param extent whether the levels are all that there are of the SKU
   */
  async loading<L extends readonly Level[] | undefined>(
    sku: string,
    load: () => Promise<L>,
    extent: 'all' | 'some' = 'some',
  ): Promise<L> {
    const began = this.#clock()
    const levels = await load()
    const life = this.#life
    if (life > 0 && levels && levels.length > 0 && this.#clock() - began < life / 2)
      this.#write(sku, levels, extent).catch(() => {})
    return levels
  }

  /** Told of every change after its commit. Nobody waits for it. */
  changed(levels: readonly Level[]): void {
    if (this.#life === 0) return
    for (const level of levels) {
      const places = this.#unconfirmed.get(level.sku) ?? new Map<string, Level>()
      this.#unconfirmed.set(level.sku, places)
      if ((places.get(level.location)?.version ?? 0) <= level.version) places.set(level.location, level)
    }
    for (const oldest of this.#unconfirmed.keys()) {
      if (this.#unconfirmed.size <= unconfirmedLimit) break
      this.#unconfirmed.delete(oldest)
    }
    if (this.#flushing) return
    this.#flushing = true
    setImmediate(() => void this.#flush())
  }

  /** One flush at a time: of what changes meanwhile only the newest goes with the next. */
  async #flush(): Promise<void> {
    const taken = [...this.#unconfirmed].map(async ([sku, places]) => {
      const levels = [...places.values()]
      await this.#write(sku, levels, 'some')
      for (const level of levels) if (places.get(level.location) === level) places.delete(level.location)
      if (places.size === 0 && this.#unconfirmed.get(sku) === places) this.#unconfirmed.delete(sku)
    })
    const settled = await Promise.allSettled(taken)
    if (this.#life === 0) this.#unconfirmed.clear()
    if (this.#unconfirmed.size === 0) this.#flushing = false
    else if (settled.some(({ status }) => status === 'rejected')) setTimeout(() => void this.#flush(), again).unref()
    else setImmediate(() => void this.#flush())
  }

  #write(sku: string, levels: readonly Level[], extent: 'all' | 'some'): Promise<unknown> {
    const fields = levels.flatMap(({ location, version, onHand, reserved, available }) => [
      location,
      version,
      `${onHand} ${reserved} ${available}`,
    ])
    return this.#redis.putLevels(keyOf(sku), this.#life, extent, ...fields)
  }

  async #look<T>(ask: () => Promise<T>): Promise<T | undefined> {
    if (this.#life === 0) return undefined
    try {
      return await ask()
    } catch {
      return undefined
    }
  }

  #told<T>(isAway: boolean, found: T | undefined): T | undefined {
    if (this.#life > 0) this.#options.observe?.(isAway ? 'away' : found ? 'hit' : 'miss')
    return found
  }

  #complete(sku: string, { '*': all, ...fields }: Record<string, string>): Level[] | undefined {
    if (!(Number(all) > this.#clock())) return undefined
    const levels = Object.entries(fields).map(([location, text]) => this.#parsed(sku, location, text))
    const changedHere = this.#unconfirmed.get(sku)?.size ?? 0
    if (changedHere > 0 || !levels.every(level => level !== undefined)) return undefined
    return levels.sort((a, b) => (a.location < b.location ? -1 : 1))
  }

  #parsed(sku: string, location: string, text: string): Level | undefined {
    const [version = 0, expires = 0, onHand = 0, reserved = 0, available = 0] = text.split(' ').map(Number)
    return expires > this.#clock() ? { sku, location, onHand, reserved, available, version } : undefined
  }

  #isNewest({ sku, location, version }: Level): boolean {
    return version >= (this.#unconfirmed.get(sku)?.get(location)?.version ?? 0)
  }

  /** Milliseconds. */
  get #life(): number {
    return this.#options.seconds() * 1_000
  }
}

const keyOf = (sku: string): string => `stock:${sku}`
