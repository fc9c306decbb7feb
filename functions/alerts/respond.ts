import { service } from '../../shared/function/declare.ts'
import { acknowledge } from './acknowledge.ts'
import { resolve } from './resolve.ts'
import { acknowledgeMany, resolveMany, snoozeMany } from './respond-many.ts'
import { responseUses } from './response.ts'
import { snooze } from './snooze.ts'

export const respondToAlerts = service({
  name: 'alerts-respond',
  summary: 'Acknowledge, snooze and resolve alerts',
  uses: responseUses,
  operations: [acknowledgeMany, snoozeMany, resolveMany, acknowledge, snooze, resolve],
})
