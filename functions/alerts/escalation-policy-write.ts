import { z } from 'zod'
import { idempotently } from '../../shared/data/idempotency.ts'
import type { Tx } from '../../shared/data/postgres.ts'
import { Rejected } from '../../shared/errors.ts'
import { Id } from '../../shared/fields.ts'
import { entityTag } from '../../shared/function/operate.ts'
import { Reply } from '../../shared/function/operation.ts'
import { contentOf, lockPolicy, type Policy, PolicyBody, PolicyInput, policyBody, policyOperation } from './escalation-policy.ts'
import { columnsOf } from './matchers.ts'
import { noteChange } from './setting-history.ts'

const common = { allow: ['alerts:write'], idempotent: true } as const
const example = {
  name: 'Empty shelves',
  matchers: { severity: ['out_of_stock'] },
  steps: [
    { afterMinutes: 15, targets: ['role:buyer'] },
    { afterMinutes: 30, targets: ['group:managers'], channels: ['sms', 'pagerduty'] },
  ],
  repeat: 2,
}

export const createPolicy = policyOperation({
  ...common,
  id: 'escalation-policy-create',
  route: 'POST /v1/escalation-policies',
  summary: 'Make an escalation policy',
  description:
    'Who is told, step by step, while nobody acknowledges an alert. It begins with each telling of an alert, and stops when it is acknowledged, put off, muted or resolved.',
  status: 201,
  example,
  input: z.strictObject(PolicyInput),
  output: PolicyBody,
  handle: ({ db, newId, now }, input, call) =>
    named(
      idempotently(db.alerts, call, async tx => {
        const at = now()
        const by = { createdBy: call.subject, createdAt: at, updatedBy: call.subject, updatedAt: at }
        const policy: Policy = { ...input, ...by, id: newId(), version: 1 }
        await insertPolicy(tx, policy)
        await noteChange(tx, 'escalation_policy', policy.id, {
          ...{ version: 1, action: 'created', at, actor: call.subject, content: contentOf(policy) },
        })
        return Reply.of(201, policyBody(policy), { etag: entityTag(1) })
      }),
    ),
})

export const changePolicy = policyOperation({
  ...common,
  id: 'escalation-policy-change',
  route: 'PUT /v1/escalation-policies/{id}',
  summary: 'Change an escalation policy',
  description: 'Provided that it has not changed since it was read (If-Match). What runs goes on from the step it has reached.',
  ifMatch: true,
  problems: ['not_found', 'version_mismatch', 'precondition_required'],
  example,
  input: z.strictObject({ id: Id, ...PolicyInput }),
  output: PolicyBody,
  handle: ({ db, now }, input, call) =>
    named(
      idempotently(db.alerts, call, async tx => {
        const at = now()
        const before = await lockPolicy(tx, input.id, call.ifMatch)
        const policy: Policy = { ...before, ...input, updatedBy: call.subject, updatedAt: at, version: before.version + 1 }
        await updatePolicy(tx, policy)
        await noteChange(tx, 'escalation_policy', policy.id, {
          ...{ version: policy.version, action: 'changed', at, actor: call.subject, content: contentOf(policy) },
        })
        return Reply.of(200, policyBody(policy), { etag: entityTag(policy.version) })
      }),
    ),
})

export const deletePolicy = policyOperation({
  ...common,
  id: 'escalation-policy-delete',
  route: 'DELETE /v1/escalation-policies/{id}',
  summary: 'Delete an escalation policy',
  description:
    'Provided that it has not changed since it was read (If-Match). What it escalates goes on with the next that matches.',
  ifMatch: true,
  problems: ['not_found', 'version_mismatch', 'precondition_required'],
  input: z.strictObject({ id: Id }),
  output: PolicyBody,
  handle: ({ db, now }, { id }, call) =>
    idempotently(db.alerts, call, async tx => {
      const policy = await lockPolicy(tx, id, call.ifMatch)
      await tx`delete from escalation_policy where id = ${id}`
      await noteChange(tx, 'escalation_policy', id, {
        ...{ version: policy.version + 1, action: 'deleted', at: now(), actor: call.subject, content: contentOf(policy) },
      })
      return Reply.of(200, policyBody(policy))
    }),
})

/** The constraint of the name is the only one that can be in the way. */
const named = <T>(saved: Promise<T>): Promise<T> =>
  saved.catch(error => {
    if ((error as { code?: string }).code !== '23505') throw error
    const message = 'another policy has this name'
    throw new Rejected('invalid_input', `name: ${message}`, { errors: [{ field: 'name', message }] })
  })

const insertPolicy = (tx: Tx, { id, name, priority, matchers, steps, repeat, createdBy, createdAt }: Policy) => {
  const { skus, skuPrefixes, locations, categories, severities, rules } = columnsOf(matchers)
  return tx`
    insert into escalation_policy (id, name, priority, skus, sku_prefixes, locations, categories, severities, rules, steps, repeat,
      created_by, created_at, updated_by, updated_at)
    values (${id}, ${name}, ${priority}, ${skus}::text[], ${skuPrefixes}::text[], ${locations}::text[], ${categories}::text[],
      ${severities}::text[], ${rules}::text[], ${JSON.stringify(steps)}::text::jsonb, ${repeat},
      ${createdBy}, ${createdAt}, ${createdBy}, ${createdAt})`
}

const updatePolicy = (tx: Tx, { id, name, priority, matchers, steps, repeat, version, updatedBy, updatedAt }: Policy) => {
  const { skus, skuPrefixes, locations, categories, severities, rules } = columnsOf(matchers)
  return tx`
    update escalation_policy set name = ${name}, priority = ${priority}, skus = ${skus}::text[], sku_prefixes = ${skuPrefixes}::text[],
      locations = ${locations}::text[], categories = ${categories}::text[], severities = ${severities}::text[], rules = ${rules}::text[],
      steps = ${JSON.stringify(steps)}::text::jsonb, repeat = ${repeat}, version = ${version}, updated_by = ${updatedBy},
      updated_at = ${updatedAt}, applied = false
    where id = ${id}`
}
