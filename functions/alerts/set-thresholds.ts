import { z } from 'zod'
import { idempotently } from '../../shared/data/idempotency.ts'
import { Count, lines } from '../../shared/fields.ts'
import { service } from '../../shared/function/declare.ts'
import { operation, Reply } from '../../shared/function/operation.ts'
import { deleteProfileRows, setProfileRows } from './category-rows.ts'
import { deleteThresholdRows } from './threshold-delete.ts'
import { setThresholdRows } from './threshold-rows.ts'
import { writeThresholds } from './threshold-write.ts'
import { NewThreshold, type ThresholdFunction, thresholdUses } from './thresholds.ts'

const setAll = operation<ThresholdFunction>()({
  id: 'alerts-set-thresholds',
  route: 'PUT /v1/thresholds',
  summary: 'Set low-stock thresholds',
  description:
    'All or none. A place that is below its new threshold already raises its alert now; places that inherit a wider one are judged within two minutes.',
  allow: ['alerts:write'],
  idempotent: true,
  example: { thresholds: [{ sku: '85123A', location: 'main', level: 12, resolveAbove: 20 }] },
  input: z.strictObject({ thresholds: lines(NewThreshold) }),
  output: z.object({ set: Count }).meta({ id: 'ThresholdsSet' }),
  handle: (deps, { thresholds }, call) =>
    idempotently(deps.db.alerts, call, async tx =>
      Reply.of(200, { set: await writeThresholds(tx, thresholds, deps, call.subject) }),
    ),
})

export const setThresholds = service({
  name: 'alerts-set-thresholds',
  summary: 'Set low-stock thresholds, and what alerts know of SKUs',
  uses: thresholdUses,
  operations: [setAll, setThresholdRows, deleteThresholdRows, setProfileRows, deleteProfileRows],
})
