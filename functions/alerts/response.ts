import { z } from 'zod'
import { idempotently } from '../../shared/data/idempotency.ts'
import type { Tx } from '../../shared/data/postgres.ts'
import { Rejected } from '../../shared/errors.ts'
import type { NewEvent } from '../../shared/events/catalog.ts'
import { publish } from '../../shared/events/outbox.ts'
import { type Call, operation, Reply } from '../../shared/function/operation.ts'
import type { Deps } from '../../shared/function/resources.ts'
import { type Alert, alertBody } from './alert.ts'
import { insertHistory, loadAlertsForUpdate } from './alert-rows.ts'
import { type AlertResponse, respond } from './lifecycle.ts'

export const responseUses = ['db:alerts'] as const
export type Responding = Deps<typeof responseUses>

/** What every operation has with which a person responds to alerts. */
export const responseOperation = operation<Responding>()
export const common = { allow: ['alerts:write'], idempotent: true } as const

export const Note = z.string().trim().min(1).max(500).optional().meta({ description: 'What the next one should know.' })

export const respondToOne = (deps: Responding, id: string, response: AlertResponse, note: string | undefined, call: Call) =>
  idempotently(deps.db.alerts, call, async tx => {
    const outcome = (await respondTo(tx, [id], response, note, deps, call)).get(id)
    if (!outcome || outcome instanceof Rejected) throw outcome ?? new Rejected('not_found')
    return Reply.of(200, alertBody(outcome))
  })

/** Each alert as it is afterwards, or why it could not be done. */
export async function respondTo(
  tx: Tx,
  ids: readonly string[],
  response: AlertResponse,
  note: string | undefined,
  { newId, now }: Pick<Responding, 'newId' | 'now'>,
  { subject: actor }: Call,
): Promise<Map<string, Alert | Rejected>> {
  const outcomes = new Map<string, Alert | Rejected>(ids.map(id => [id, new Rejected('not_found')]))
  const at = now()
  const changes: Required<Pick<ReturnType<typeof respond>, 'next' | 'did'>>[] = []
  const events: NewEvent[] = []
  for (const alert of await loadAlertsForUpdate(tx, ids)) {
    try {
      const { next, did, event } = respond(alert, response, at, actor)
      outcomes.set(alert.id, next)
      if (did) changes.push({ next, did })
      if (event) events.push(event)
    } catch (error) {
      if (!(error instanceof Rejected)) throw error
      outcomes.set(alert.id, error)
    }
  }
  if (changes.length === 0) return outcomes
  const [{ next }] = changes as [(typeof changes)[number]]
  await save(
    tx,
    changes.map(({ next: { id } }) => id),
    next,
  )
  await insertHistory(
    tx,
    changes.map(({ did, next: { id: alertId, severity, available, snoozedUntil } }) => ({
      ...{ id: newId(), alertId, action: did, at, actor, note, severity, available, snoozedUntil },
    })),
  )
  await publish(tx, newId, events)
  return outcomes
}

/** One response leaves all alerts in the same state. What a person resolves is not settled: the stock has not recovered. */
const save = (tx: Tx, ids: readonly string[], { state, resolvedAt, snoozedUntil, acknowledgedBy, acknowledgedAt }: Alert) => tx`
  update alert set state = ${state}, resolved_at = ${resolvedAt}, snoozed_until = ${snoozedUntil}, settled = ${state !== 'resolved'},
    acknowledged_by = case when ${state}::text = 'acknowledged' then ${acknowledgedBy ?? null} else acknowledged_by end,
    acknowledged_at = case when ${state}::text = 'acknowledged' then ${acknowledgedAt ?? null}::timestamptz else acknowledged_at end
  where id = any (${ids}::uuid[])`
