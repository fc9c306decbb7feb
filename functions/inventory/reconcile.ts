import { z } from 'zod'
import { Count } from '../../shared/fields.ts'
import { currentWork } from '../../shared/telemetry/context.ts'
import { stockOperation } from './function.ts'
import { Drift, openDrifts } from './reconcile-drift.ts'
import type { DriftKind } from './reconcile-judge.ts'
import { walk } from './reconcile-walk.ts'

/** Drifting rows told at most: one is a bug already. */
const told = 100

const Rows = z.array(Drift)

export const reconcile = stockOperation({
  id: 'stock-reconcile',
  route: 'GET /v1/stock/reconciliation',
  summary: 'Prove the totals',
  description:
    'Adds up the ledger and all open reservations, and compares them with the totals. `full` reads every movement, `incremental` those since the last proof, for as long as the deadline lets it: `complete` says whether it got through. What drifts is kept until it is repaired or gone.',
  allow: ['stock:read', 'stock:write'],
  deadline: 60_000,
  input: z.strictObject({
    mode: z
      .enum(['incremental', 'full'])
      .default('full')
      .meta({ description: 'Whether movements that were proved before are read again.' }),
  }),
  output: z
    .object({
      ok: z.boolean().meta({ description: 'Every row was proved, and none drifts.' }),
      mode: z.enum(['incremental', 'full']),
      complete: z.boolean(),
      rows: Count,
      movements: Count.meta({ description: 'Movements that were read.' }),
      openReservations: Count,
      drift: z.object({
        ledger: Rows.meta({ description: 'Units on the shelf, or versions, that the movements do not add up to.' }),
        reserved: Rows.meta({ description: 'Reserved units that the open reservations do not add up to.' }),
        oversold: Rows.meta({ description: 'More promised than there is.' }),
        transit: Rows.meta({ description: 'Units between locations that transfers do not add up to.' }),
      }),
    })
    .meta({ id: 'Reconciliation' }),
  async handle({ db, newId, now }, { mode }) {
    const until = (currentWork()?.deadline ?? Date.now() + 60_000) - 10_000
    const walked = await walk({ database: db.inventory, newId, now, mode, until })
    const [counted] = await db.inventory.sql<{ openReservations: number }[]>`
      select count(*) as "openReservations" from reservation where state = 'open'`
    const open = await openDrifts(db.inventory.sql, { limit: told })
    const of = (...kinds: DriftKind[]) => open.filter(({ kind }) => kinds.includes(kind))
    return {
      ok: walked.complete && open.length === 0,
      mode,
      ...walked,
      openReservations: counted?.openReservations ?? 0,
      drift: { ledger: of('ledger', 'on_hand'), reserved: of('reserved'), oversold: of('oversold'), transit: of('transit') },
    }
  },
})
