import type { Database, Tx } from '../../shared/data/postgres.ts'
import type { NewEvent } from '../../shared/events/catalog.ts'
import { publish } from '../../shared/events/outbox.ts'
import type { Deps } from '../../shared/function/resources.ts'
import type { Alert } from './alert.ts'
import { type HistoryRow, insertHistory } from './alert-rows.ts'
import { nextStep, type Step, startOf } from './escalation.ts'
import type { Policy } from './escalation-policy.ts'
import {
  type Choice,
  choosePolicies,
  type EscalationRow,
  lockDue,
  lookAgain,
  readEscalations,
  saveEscalations,
  setEscalateAt,
} from './escalation-rows.ts'
import { mutedBy } from './mute.ts'
import { applyMutes } from './mute-review.ts'

/** Alerts looked at in one transaction. */
const together = 500
/** Milliseconds of one round, which begins with waking: what is left over is the next one's. */
const roundMilliseconds = 10_000

/** Tells the next ones where nobody acknowledges an alert. */
export async function escalateAlerts({ db, newId, now }: Deps<readonly ['db:alerts']>): Promise<void> {
  const until = Date.now() + roundMilliseconds
  await applyPolicies(db.alerts)
  for (let count = together; count === together && Date.now() < until; ) {
    count = await db.alerts.transaction(tx => escalateBatch(tx, now(), newId))
  }
}

/** What stands is looked at anew for policies that are new or changed. */
async function applyPolicies({ sql, transaction }: Database): Promise<void> {
  const changed = await sql<{ id: string; version: number }[]>`select id, version from escalation_policy where not applied`
  for (const { id, version } of changed) {
    while (await transaction(tx => lookAgain(tx, id, 1_000))) {}
    await sql`update escalation_policy set applied = true where id = ${id} and version = ${version}`
  }
}

/** One transaction: a step is told, counted and in the alert's history, or none of it. Another round steps over what is locked here. */
async function escalateBatch(tx: Tx, now: Date, newId: () => string): Promise<number> {
  const due = await lockDue(tx, now, together)
  if (due.length === 0) return 0
  const alerts = await unmuted(tx, due, now, newId)
  const [runs, choices] = await Promise.all([
    readEscalations(
      tx,
      alerts.map(({ id }) => id),
    ),
    choosePolicies(tx, alerts),
  ])
  const looked = alerts.map((alert, index) => look(alert, runs.get(alert.id), choices[index] as Choice, now))
  const told = looked.flatMap(({ step }) => step ?? [])
  await saveEscalations(
    tx,
    looked.flatMap(({ run }) => run ?? []),
  )
  await setEscalateAt(
    tx,
    looked.map(({ alert: { id }, lookAt: at }) => ({ id, at })),
  )
  await insertHistory(
    tx,
    told.map(step => historyOf(step, now, newId())),
  )
  await publish(
    tx,
    newId,
    told.map(step => escalatedEvent(step, now)),
  )
  return due.length
}

/** What is muted is not escalated: also where a silence has not reached the alert yet. */
async function unmuted(tx: Tx, due: readonly Alert[], now: Date, newId: () => string): Promise<Alert[]> {
  const causes = await mutedBy(tx, due, now)
  await applyMutes(
    tx,
    due.filter((alert, index) => alert.muted === null && causes[index] !== null),
    now,
    newId,
  )
  const muted = due.filter((alert, index) => alert.muted !== null || causes[index] !== null)
  await setEscalateAt(
    tx,
    muted.map(({ id }) => ({ id, at: undefined })),
  )
  return due.filter(alert => !muted.includes(alert))
}

interface TakenStep {
  readonly alert: Alert
  readonly policy: Policy
  readonly step: Step
  /** Counts on through the alert's whole life. */
  readonly number: number
}

interface Looked {
  readonly alert: Alert
  readonly run?: EscalationRow
  readonly step?: TakenStep
  /** Undefined: there is nothing left to do. */
  readonly lookAt: Date | undefined
}

function look(alert: Alert, known: EscalationRow | undefined, { policy, toldAt }: Choice, now: Date): Looked {
  if (!policy) return { alert, lookAt: undefined }
  const isSame = known?.telling === alert.telling && known.policyId === policy.id
  const run: EscalationRow = isSame
    ? known
    : {
        ...{ alertId: alert.id, policyId: policy.id, telling: alert.telling, startedAt: startOf(toldAt, policy.updatedAt) },
        ...{ taken: 0, lastAt: null, told: known?.told ?? 0 },
      }
  const next = nextStep(policy, run, now)
  if (next.kind !== 'tell') return { alert, run, lookAt: next.kind === 'wait' ? next.until : undefined }
  const told = run.told + 1
  const after = { ...run, taken: run.taken + 1, lastAt: now, told }
  const then = nextStep(policy, after, now)
  return {
    ...{ alert, run: after, step: { alert, policy, step: next.step, number: told } },
    lookAt: then.kind === 'wait' ? then.until : undefined,
  }
}

const historyOf = ({ alert, policy, step, number }: TakenStep, at: Date, id: string): HistoryRow => ({
  ...{ id, alertId: alert.id, action: 'escalated', at, severity: alert.severity, available: alert.available },
  detail: { step: number, policy: policy.name, policyId: policy.id, targets: step.targets, channels: step.channels },
})

const escalatedEvent = ({ alert, policy, step, number }: TakenStep, now: Date): NewEvent => ({
  type: 'tidemark.alert.escalated.v1',
  data: {
    ...{ alertId: alert.id, sku: alert.sku, location: alert.location, severity: alert.severity, available: alert.available },
    ...{ threshold: alert.threshold, category: alert.category, policyId: policy.id, step: number },
    ...{ targets: step.targets, channels: step.channels, escalatedAt: now.getTime() },
  },
})
