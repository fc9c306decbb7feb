import { z } from 'zod'
import type { FunctionClient } from '../../shared/function/call.ts'

/** Milliseconds that an explanation waits for what was told: the rest of it is worth having alone. */
const patience = 5_000

export const Delivery = z
  .looseObject({
    id: z.string(),
    alertId: z.string().nullish(),
    channel: z.string(),
    state: z.string(),
    recipient: z.string().nullish().meta({ description: 'Masked.' }),
    error: z.string().nullish(),
    createdAt: z.string(),
    updatedAt: z.string(),
  })
  .meta({ id: 'AlertDelivery' })
export type Delivery = z.output<typeof Delivery>

/** What was told of some alerts, newest first. @returns why it is not known, when the service of notifications is away */
export async function deliveriesOf(notifications: FunctionClient, alertIds: readonly string[]): Promise<Delivery[] | Error> {
  const asked = Promise.all(
    alertIds.map(id =>
      notifications.request({
        method: 'GET',
        path: `/v1/notifications?alertId=${id}&limit=100`,
        output: z.object({ items: z.array(Delivery) }),
      }),
    ),
  )
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`no answer within ${patience / 1_000} s`)), patience)
  try {
    return (await Promise.race([asked, late])).flatMap(({ items }) => items)
  } catch (error) {
    asked.catch(() => {})
    return error as Error
  } finally {
    clearTimeout(timer)
  }
}
