import { isWorse } from './alert.ts'
import type { Delivery } from './explain-deliveries.ts'
import type { ExplainedAlert, Facts } from './explain-facts.ts'
import type { EffectiveThreshold } from './explain-thresholds.ts'
import { stateOf } from './silence.ts'

/** One reason, in plain words. */
export interface Check {
  readonly check: string
  readonly result: string
  readonly because: string
  readonly rule?: string
  readonly alertId?: string
}

export const isAlerting = ({ alerts }: Pick<Facts, 'alerts'>): boolean => alerts.some(({ alert }) => alert.state !== 'resolved')

/** Why there is an alert, or none, in the order in which the way of an alert asks. */
export function checksOf(facts: Facts, deliveries: readonly Delivery[] | Error, now: Date): Check[] {
  return [
    ...thresholdChecks(facts),
    ...stockChecks(facts),
    ...facts.thresholds.map(threshold => levelCheck(facts, threshold)),
    ...(facts.alerts.length === 0 ? [noAlert] : facts.alerts.flatMap(alertChecks)),
    ...silenceChecks(facts, now),
    ...facts.inhibitions.map(inhibitionCheck),
    ...facts.alerts.map(one => escalationCheck(one, now)),
    deliveryCheck(facts, deliveries),
  ]
}

const noAlert: Check = { check: 'alert', result: 'none', because: 'No alert was ever raised here.' }

function thresholdChecks({ thresholds }: Facts): Check[] {
  if (thresholds.length === 0) {
    return [{ check: 'threshold', result: 'none', because: 'There is no threshold for this place: nothing can be low.' }]
  }
  return thresholds.map(({ rule, level, resolveAbove, source, updatedAt, updatedBy }) => ({
    ...{ check: 'threshold', result: 'set', rule },
    because: `The stock is low at ${level} or below, and has recovered above ${resolveAbove}. It was set for ${source} by ${updatedBy} at ${updatedAt.toISOString()}.`,
  }))
}

function stockChecks({ stock }: Facts): Check[] {
  if (!stock) {
    const because = 'No change of this stock has been seen: it does not exist, has not moved yet, or its events have not come.'
    return [
      { check: 'stock', result: 'never_seen', because },
      { check: 'evaluation', result: 'never', because: 'Stock that was not seen was not judged.' },
    ]
  }
  const { available, version, evaluatedAt } = stock
  return [
    { check: 'stock', result: 'seen', because: `${available} available, at version ${version}. What is older is dropped.` },
    evaluatedAt
      ? { check: 'evaluation', result: 'done', because: `It was judged last at ${evaluatedAt.toISOString()}.` }
      : { check: 'evaluation', result: 'unknown', because: 'It was judged before its time was kept.' },
  ]
}

function levelCheck({ stock }: Facts, { rule, level, resolveAbove }: EffectiveThreshold): Check {
  const check = { check: 'level', rule }
  if (!stock) return { ...check, result: 'unknown', because: 'The stock is not known.' }
  const { available } = stock
  if (available <= level) return { ...check, result: 'low', because: `${available} is not above the level of ${level}.` }
  if (available > resolveAbove) {
    return { ...check, result: 'enough', because: `${available} is above the level of ${level}.` }
  }
  const because = `${available} is above the level of ${level} but not above ${resolveAbove}: nothing is raised, and what stands does not end.`
  return { ...check, result: 'between', because }
}

function alertChecks(one: ExplainedAlert): Check[] {
  const { alert, settled } = one
  const of = { rule: alert.rule, alertId: alert.id }
  const since = `since ${alert.raisedAt.toISOString()}`
  const because = {
    open: `An alert (${alert.severity}) stands ${since} at ${alert.available} of ${alert.threshold}; it was told ${alert.telling} times.`,
    acknowledged: `${alert.acknowledgedBy} is at the alert that stands ${since}: it is told again when it gets worse.`,
    snoozed: `The alert that stands ${since} is put off until ${alert.snoozedUntil?.toISOString()}.`,
    resolved: `The last alert was raised at ${alert.raisedAt.toISOString()} and resolved at ${alert.resolvedAt?.toISOString()}.`,
  }[alert.state]
  return [
    { check: 'alert', result: alert.state, because, ...of },
    { check: 'deduplication', ...deduplicated(one), ...of },
  ].map(entry => (settled || entry.check !== 'alert' ? entry : { ...entry, result: 'resolved_by_person' }))
}

function deduplicated({ alert, settled }: ExplainedAlert): Pick<Check, 'result' | 'because'> {
  if (alert.state !== 'resolved') {
    return { result: 'standing', because: 'While it stands there is no second one of its rule here; only worse is told again.' }
  }
  if (settled) return { result: 'free', because: 'The stock has recovered since: the next fall raises a new alert.' }
  const because = `A person resolved it while the stock was low: until it has recovered, only worse than ${alert.severity} raises the next.`
  return { result: isWorse('out_of_stock', alert.severity) ? 'quiet_until_worse' : 'quiet_until_recovered', because }
}

function silenceChecks({ silences }: Facts, now: Date): Check[] {
  if (silences.length === 0) return [{ check: 'silence', result: 'none', because: 'No silence matches.' }]
  return silences.map(silence => {
    const result = stateOf(silence, now)
    const time = result === 'active' ? `until ${silence.endsAt.toISOString()}` : `from ${silence.startsAt.toISOString()}`
    const because = `Silence ${silence.id} of ${silence.createdBy} mutes it ${time}: ${silence.comment}`
    return { check: 'silence', result, because }
  })
}

function inhibitionCheck({ rule, cause }: Facts['inhibitions'][number]): Check {
  const check = { check: 'inhibition', rule }
  if (cause?.startsWith('inhibited:count:')) {
    return { ...check, result: 'inhibited', because: `The shelf is being counted (count ${cause.slice(16)}).` }
  }
  if (cause === 'inhibited:out_of_stock') {
    return { ...check, result: 'inhibited', because: 'An alert of another rule says already that nothing is left here.' }
  }
  return { ...check, result: 'none', because: 'No count is open here, and no worse alert of another rule stands.' }
}

function escalationCheck({ alert, escalation, policy, nextEscalation }: ExplainedAlert, now: Date): Check {
  const check = { check: 'escalation', rule: alert.rule, alertId: alert.id }
  const told = escalation ? ` ${escalation.told} steps were told so far.` : ''
  if (alert.state !== 'open') return { ...check, result: 'stopped', because: `What is ${alert.state} is not escalated.${told}` }
  if (alert.muted) return { ...check, result: 'stopped', because: `What is muted (${alert.muted}) is not escalated.${told}` }
  if (!policy) return { ...check, result: 'no_policy', because: `No escalation policy matches.${told}` }
  const taken = escalation?.telling === alert.telling && escalation.policyId === policy.id ? escalation.taken : 0
  if (taken >= policy.steps) return { ...check, result: 'over', because: `All steps of "${policy.name}" were told.` }
  const next = nextEscalation && nextEscalation > now ? `at ${nextEscalation.toISOString()}` : 'within a minute'
  return {
    ...check,
    result: 'waiting',
    because: `Step ${taken + 1} of ${policy.steps} of "${policy.name}" is looked at ${next}.${told}`,
  }
}

function deliveryCheck({ alerts }: Facts, deliveries: readonly Delivery[] | Error): Check {
  const check = 'deliveries'
  if (deliveries instanceof Error) {
    return { check, result: 'unknown', because: `Notifications could not be asked: ${deliveries.message}` }
  }
  if (deliveries.length > 0) {
    const states = Object.entries(Object.groupBy(deliveries, ({ state }) => state)).map(([state, of]) => `${of?.length} ${state}`)
    return { check, result: 'told', because: `Of the alerts shown: ${states.join(', ')}.` }
  }
  if (alerts.length === 0) return { check, result: 'none', because: 'Without an alert there is nothing to tell.' }
  const muted = alerts.find(({ alert }) => alert.muted)?.alert.muted
  const why = muted ? `it is muted by ${muted}` : 'no recipient is meant, or it is on its way'
  return { check, result: 'none', because: `Nothing was told: ${why}.` }
}
