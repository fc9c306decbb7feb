import { z } from 'zod'
import type { Queryable, Tx } from '../../shared/data/postgres.ts'
import { Rejected } from '../../shared/errors.ts'
import { Count, Id, Timestamp } from '../../shared/fields.ts'
import { operation } from '../../shared/function/operation.ts'
import type { Deps } from '../../shared/function/resources.ts'
import type { Plan } from './escalation.ts'
import { Matchers, matchersOf } from './matchers.ts'

export const policyUses = ['db:alerts'] as const
export type Policing = Deps<typeof policyUses>
export const policyOperation = operation<Policing>()

export const channels = ['email', 'sms', 'push', 'pagerduty', 'webhook'] as const

const Target = z
  .string()
  .regex(
    /^(recipient:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(group|role):[A-Za-z0-9][A-Za-z0-9 ._-]{0,63})$/,
    'recipient:<id>, group:<name> or role:<name>',
  )
  .meta({ description: '`recipient:<id>`, `group:<name>` or `role:<name>`.', example: 'role:buyer' })

/** A week. */
const longest = 7 * 24 * 60

const PolicyStep = z.strictObject({
  afterMinutes: z.int().min(1).max(longest).meta({ description: 'After the alert was told, or after the step before.' }),
  targets: z.array(Target).min(1).max(20),
  channels: z.array(z.enum(channels)).max(channels.length).default([]).meta({ description: 'As each prefers when empty.' }),
})

export const PolicyInput = {
  name: z.string().trim().min(1).max(100),
  priority: z.int().min(0).max(10_000).default(100).meta({ description: 'The lowest of those that match is taken.' }),
  matchers: Matchers.default({}).meta({ description: 'Every alert when empty.' }),
  steps: z.array(PolicyStep).min(1).max(10),
  repeat: z.int().min(0).max(10).default(0).meta({ description: 'How often all steps are taken again.' }),
}

export interface Policy extends Plan {
  readonly id: string
  readonly name: string
  readonly priority: number
  readonly matchers: Matchers
  readonly version: number
  readonly createdBy: string
  readonly createdAt: Date
  readonly updatedBy: string
  readonly updatedAt: Date
}

export const PolicyBody = z
  .object({
    id: Id,
    name: z.string(),
    priority: z.int(),
    matchers: Matchers,
    steps: z.array(PolicyStep),
    repeat: z.int(),
    version: Count.meta({ description: 'Counts its changes; its ETag.' }),
    createdBy: z.string(),
    createdAt: Timestamp,
    updatedBy: z.string(),
    updatedAt: Timestamp,
  })
  .meta({ id: 'EscalationPolicy' })

export const policyBody = (policy: Policy): z.output<typeof PolicyBody> => ({
  ...policy,
  steps: policy.steps as z.output<typeof PolicyStep>[],
  createdAt: policy.createdAt.toISOString(),
  updatedAt: policy.updatedAt.toISOString(),
})

/** What of a policy its history keeps. */
export const contentOf = ({ name, priority, matchers, steps, repeat }: Policy) => ({ name, priority, matchers, steps, repeat })

/** Of a row that is called `m`. */
export const policyColumns = (sql: Queryable) => sql`
  m.id, m.name, m.priority, ${matchersOf(sql)} as matchers, m.steps, m.repeat, m.version, m.created_by as "createdBy",
  m.created_at as "createdAt", m.updated_by as "updatedBy", m.updated_at as "updatedAt"`

export async function readPolicy(sql: Queryable, id: string): Promise<Policy> {
  const [policy] = await sql<Policy[]>`select ${policyColumns(sql)} from escalation_policy m where m.id = ${id}`
  if (!policy) throw new Rejected('not_found', `There is no escalation policy ${id}.`)
  return policy
}

export async function lockPolicy(tx: Tx, id: string, ifMatch: number | undefined): Promise<Policy> {
  await tx`select from escalation_policy where id = ${id} for update`
  const policy = await readPolicy(tx, id)
  if (policy.version === ifMatch) return policy
  throw new Rejected('version_mismatch', `The version is ${policy.version}.`, { version: policy.version })
}
