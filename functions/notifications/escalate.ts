import type { Tx } from '../../shared/data/postgres.ts'
import type { EventOf } from '../../shared/events/catalog.ts'
import { type Channel, channels } from './alert-facts.ts'
import { isMeant, receiverOf } from './audience.ts'
import { loadPeople } from './people-rows.ts'
import { type Loaded, type Planning, standardPerson } from './planning.ts'
import { type Receiver, standardTellRecovery } from './routing.ts'
import { factsOf, type Standing } from './standing.ts'
import { type Telling, tell } from './tell.ts'

export type Escalated = EventOf<'tidemark.alert.escalated.v1'>['data']

/**
 * Tells the targets of a policy's step at once, whatever they want of a channel and whatever the time. Alerts that reach the same step
 * together make one message.
 */
export async function escalate(
  tx: Tx,
  planning: Planning,
  loaded: Loaded,
  escalated: readonly { readonly data: Escalated; readonly alert: Standing }[],
  now: Date,
  traceparent: string,
): Promise<void> {
  const fresh = await firstTime(tx, escalated, now)
  if (fresh.length === 0) return
  const receivers = (targets: readonly string[]): Receiver[] => targets.flatMap(target => receiverOf(target) ?? [])
  const people = await loadPeople(
    tx,
    fresh.flatMap(({ data }) => receivers(data.targets)),
  )
  const standard = await standardPerson(planning.seal, planning.settings())
  const steps = Map.groupBy(fresh, ({ data: { policyId, step, targets, channels } }) =>
    JSON.stringify([policyId, step, targets, channels]),
  )
  const tellings = [...steps.values()].map((together): Telling => {
    const [{ data }] = together as [(typeof together)[number]]
    const targets = receivers(data.targets)
    const meant = people.filter(person => isMeant(person, targets) && person.contacts.length > 0)
    const asked = data.channels.filter((name): name is Channel => (channels as readonly string[]).includes(name))
    return {
      ...{ kind: 'escalation', key: `escalation:${planning.newId()}`, step: data.step, urgent: true, insists: true, traceparent },
      alerts: together.map(({ alert }) => factsOf(alert)),
      people: meant.length > 0 ? meant : [standard],
      channels: meant.length > 0 ? asked : [],
      tellRecovery: standardTellRecovery,
    }
  })
  await tell(tx, planning, loaded, tellings, now)
}

/** Steps that were not told before, of alerts that still stand. */
async function firstTime<T extends { readonly data: Escalated; readonly alert: Standing }>(
  tx: Tx,
  escalated: readonly T[],
  now: Date,
) {
  const standing = escalated.filter(
    ({ alert, data }) =>
      alert.resolvedAt === null &&
      alert.muted === null &&
      !(alert.acknowledgedAt && alert.acknowledgedAt.getTime() > data.escalatedAt),
  )
  if (standing.length === 0) return []
  const data = standing.map(one => one.data)
  const rows = await tx<{ key: string }[]>`
    insert into escalation_told (alert_id, policy_id, step, told_at)
    select alert_id, policy_id, step, ${now}
    from unnest(${data.map(({ alertId }) => alertId)}::uuid[], ${data.map(({ policyId }) => policyId)}::text[],
      ${data.map(({ step }) => step)}::int[]) as e (alert_id, policy_id, step)
    order by 1, 2, 3
    on conflict do nothing
    returning alert_id || ' ' || policy_id || ' ' || step as key`
  const fresh = new Set(rows.map(({ key }) => key))
  return standing.filter(({ data: { alertId, policyId, step } }) => fresh.delete(`${alertId} ${policyId} ${step}`))
}
