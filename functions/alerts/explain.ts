import { z } from 'zod'
import { DefaultedLocation, Id, Sku, Timestamp } from '../../shared/fields.ts'
import { http } from '../../shared/function/declare.ts'
import { AlertBody, alertBody } from './alert.ts'
import { checksOf, isAlerting } from './explain-checks.ts'
import { Delivery, deliveriesOf } from './explain-deliveries.ts'
import { readFacts } from './explain-facts.ts'
import { SilenceBody, silenceBody } from './silence.ts'

export const explainAlerts = http({
  name: 'alerts-explain',
  route: 'GET /v1/alerts/explain',
  summary: 'Explain why there is an alert, or none',
  description:
    'What the stock of a place is judged by, what was seen of it, what stands, what mutes it, how far its escalation has come, and what was told to whom. When notifications cannot be asked, `deliveries` is null and its check says why.',
  allow: ['alerts:read', 'alerts:write'],
  uses: ['db:alerts', 'call:notifications-read'],
  deadline: 15_000,
  input: z.strictObject({ sku: Sku, location: DefaultedLocation }),
  output: z
    .object({
      sku: z.string(),
      location: z.string(),
      alerting: z.boolean().meta({ description: 'Whether an alert stands that is not resolved.' }),
      because: z.string(),
      checks: z.array(
        z.object({
          check: z.string(),
          result: z.string(),
          because: z.string(),
          rule: z.string().optional(),
          alertId: Id.optional(),
        }),
      ),
      stock: z
        .object({ available: z.int(), version: z.int(), evaluatedAt: Timestamp.nullable() })
        .nullable()
        .meta({ description: 'As it was seen last.' }),
      thresholds: z.array(
        z.object({
          ...{ rule: z.string(), level: z.int(), resolveAbove: z.int(), source: z.string() },
          ...{ updatedAt: Timestamp, updatedBy: z.string() },
        }),
      ),
      alerts: z.array(AlertBody).meta({ description: 'Those that stand; if there is none, the last one.' }),
      silences: z.array(SilenceBody),
      deliveries: z.array(Delivery).nullable(),
    })
    .meta({ id: 'AlertExplanation' }),
  async handle({ db, call, now }, { sku, location }) {
    const at = now()
    const facts = await readFacts(db.alerts.sql, { sku, location }, at)
    const ids = facts.alerts.map(({ alert }) => alert.id)
    const deliveries = await deliveriesOf(call['notifications-read'], ids)
    const checks = checksOf(facts, deliveries, at)
    const decisive = checks.find(({ check }) => check === (isAlerting(facts) ? 'alert' : 'level')) ?? checks[0]
    return {
      ...{ sku, location, alerting: isAlerting(facts), because: decisive?.because ?? '', checks },
      stock: facts.stock ? { ...facts.stock, evaluatedAt: facts.stock.evaluatedAt?.toISOString() ?? null } : null,
      thresholds: facts.thresholds.map(one => ({ ...one, updatedAt: one.updatedAt.toISOString() })),
      alerts: facts.alerts.map(({ alert }) => alertBody(alert)),
      silences: facts.silences.map(silence => silenceBody(silence, at)),
      deliveries: deliveries instanceof Error ? null : deliveries,
    }
  },
})
