import type { Database, Sql } from '../../shared/data/postgres.ts'
import { together } from '../../shared/data/together.ts'
import type { Loaded, Short, Submitted, Writes } from './batch.ts'
import { begin, load } from './load.ts'
import { lockLapsed } from './reservation-rows.ts'
import { write } from './write.ts'

/**
 * Begins a transaction, locks what the batch touches, lets `decide` decide on it, writes, and commits.
 * Two round trips: begin and lock go out together, so do the writes and the commit. One more finds what the rows of a batch follow from,
 * when it closes reservations, replaces an owner's holds, moves transfers or chooses locations. And when somebody finds too little
 * stock, one more looks whether reservations hold it whose time is over.
 */
export async function inOneTransaction<R>(
  database: Database,
  batch: readonly Submitted[],
  decide: (loaded: Loaded) => { writes: Writes; short: readonly Short[]; result: R },
  newId: () => string,
  now: Date,
): Promise<R> {
  const session = await database.session()
  try {
    return await Promise.race([session.lost, work(session.sql)])
  } finally {
    session.release()
  }

  async function work(connection: Sql): Promise<R> {
    try {
      const [, loaded] = await together([begin(connection).execute(), load(connection, batch)])
      let { writes, short, result } = decide(loaded)
      const lapsed = short.length > 0 ? await lockLapsed(connection, short, now) : []
      if (lapsed.length > 0) ({ writes, short, result } = decide({ ...loaded, lapsed }))
      await write(connection, writes, newId, now, [connection`commit`])
      return result
    } catch (error) {
      await connection`rollback`.catch(() => {})
      throw error
    }
  }
}
