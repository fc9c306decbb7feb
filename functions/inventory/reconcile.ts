import { z } from 'zod'
import { Count } from '../../shared/fields.ts'
import { stockOperation } from './function.ts'

const place = { sku: z.string(), location: z.string() }
const Drift = z.object({ ...place, expected: z.int(), found: z.int() })

/** Drifting rows told at most: one is a bug already. */
const told = 100

export const reconcile = stockOperation({
  id: 'stock-reconcile',
  route: 'GET /v1/stock/reconciliation',
  summary: 'Prove the totals',
  description:
    'Adds up the whole ledger and all open reservations in one snapshot, and compares them with the totals. Reads every movement: seconds for millions.',
  allow: ['stock:read', 'stock:write'],
  deadline: 60_000,
  input: z.strictObject({}),
  output: z
    .object({
      ok: z.boolean(),
      rows: Count,
      movements: Count,
      openReservations: Count,
      drift: z.object({
        ledger: z.array(Drift).meta({ description: 'Units on the shelf, or versions, that the movements do not add up to.' }),
        reserved: z.array(Drift).meta({ description: 'Reserved units that the open reservations do not add up to.' }),
        oversold: z.array(Drift).meta({ description: 'More promised than there is.' }),
      }),
    })
    .meta({ id: 'Reconciliation' }),
  handle: ({ db }) =>
    db.inventory.transaction(async tx => {
      await tx`set transaction isolation level repeatable read, read only`
      await tx`set local statement_timeout = 60000`
      const [counts] = await tx<{ rows: number; movements: number; openReservations: number }[]>`
        select (select count(*) from stock) as rows, (select count(*) from movement) as movements,
               (select count(*) from reservation where state = 'open') as "openReservations"`
      const ledger = await tx<z.output<typeof Drift>[]>`
        select s.sku, s.location, coalesce(m.on_hand, 0) as expected, s.on_hand as found
        from stock s
        left join (
          select sku, location, sum(on_hand_delta)::bigint as on_hand, sum(reserved_delta)::bigint as reserved, count(*) as versions, max(version) as version
          from movement group by sku, location
        ) m using (sku, location)
        where s.on_hand <> coalesce(m.on_hand, 0) or s.reserved <> coalesce(m.reserved, 0)
           or s.version <> coalesce(m.version, 0) or s.version <> coalesce(m.versions, 0)
        limit ${told}`
      const reserved = await tx<z.output<typeof Drift>[]>`
        select s.sku, s.location, coalesce(r.reserved, 0) as expected, s.reserved as found
        from stock s
        left join (
          select l.sku, l.location, sum(l.quantity)::bigint as reserved
          from reservation join reservation_line l on l.reservation_id = reservation.id
          where reservation.state = 'open' group by l.sku, l.location
        ) r using (sku, location)
        where s.reserved <> coalesce(r.reserved, 0)
        limit ${told}`
      const oversold = await tx<z.output<typeof Drift>[]>`
        select sku, location, on_hand + backorder_limit as expected, reserved as found
        from stock where reserved > on_hand + backorder_limit or on_hand < 0 limit ${told}`
      const drift = { ledger: [...ledger], reserved: [...reserved], oversold: [...oversold] }
      const ok = ledger.length + reserved.length + oversold.length === 0
      return { ok, ...(counts as { rows: number; movements: number; openReservations: number }), drift }
    }),
})
