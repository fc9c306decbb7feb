import { z } from 'zod'
import { decodeCursor, pageOf } from '../../shared/cursor.ts'
import { Id, page, pageQuery } from '../../shared/fields.ts'
import { service } from '../../shared/function/declare.ts'
import { entityTag } from '../../shared/function/operate.ts'
import { Reply } from '../../shared/function/operation.ts'
import {
  type Policy,
  PolicyBody,
  policyBody,
  policyColumns,
  policyOperation,
  policyUses,
  readPolicy,
} from './escalation-policy.ts'
import { changePolicy, createPolicy, deletePolicy } from './escalation-policy-write.ts'
import { changesOf, SettingChange } from './setting-history.ts'

const allow = ['alerts:read', 'alerts:write'] as const

const list = policyOperation({
  id: 'escalation-policy-list',
  route: 'GET /v1/escalation-policies',
  summary: 'List escalation policies',
  description: 'In the order in which they are tried, a page at a time.',
  allow,
  input: z.strictObject(pageQuery),
  output: page(PolicyBody).meta({ id: 'EscalationPolicyPage' }),
  async handle({ db }, { limit, cursor }) {
    const { sql } = db.alerts
    const [priority = null, name = null] = decodeCursor(cursor, z.tuple([z.string().regex(/^\d{1,5}$/), z.string()])) ?? []
    const rows = await sql<Policy[]>`
      select ${policyColumns(sql)} from escalation_policy m
      where ${priority}::int is null or (m.priority, m.name) > (${priority}::int, ${name}::text)
      order by m.priority, m.name limit ${limit + 1}`
    const { items, next } = pageOf(rows, limit, policy => [String(policy.priority), policy.name])
    return { items: items.map(policyBody), next }
  },
})

const readOne = policyOperation({
  id: 'escalation-policy-read',
  route: 'GET /v1/escalation-policies/{id}',
  summary: 'Read an escalation policy',
  description: 'With who changed it.',
  allow,
  problems: ['not_found'],
  input: z.strictObject({ id: Id }),
  output: PolicyBody.extend({ history: z.array(SettingChange) }).meta({ id: 'EscalationPolicyWithHistory' }),
  async handle({ db }, { id }) {
    const policy = await readPolicy(db.alerts.sql, id)
    const history = await changesOf(db.alerts.sql, 'escalation_policy', id)
    return Reply.of(200, { ...policyBody(policy), history }, { etag: entityTag(policy.version) })
  },
})

export const escalationPolicies = service({
  name: 'alerts-escalation-policies',
  summary: 'Say who is told when nobody acknowledges an alert',
  uses: policyUses,
  operations: [createPolicy, list, readOne, changePolicy, deletePolicy],
})
