/** Each step of a notification, as decision 13 has them. */
export const notificationStates = ['queued', 'sending', 'sent', 'delivered', 'bounced', 'failed', 'cancelled'] as const
export type NotificationState = (typeof notificationStates)[number]

/**
 * How much is known. What providers say comes late, twice and out of order: a state gives way to one that says more, never to one that
 * says less. So a mail that bounced after all stays bounced, and one whose answer we did not get counts as sent when its provider says so.
 */
const known: Record<NotificationState, number> = {
  queued: 0,
  sending: 0,
  cancelled: 0,
  sent: 1,
  failed: 2,
  delivered: 3,
  bounced: 4,
}

export const saysMore = (state: NotificationState, than: NotificationState): boolean => known[state] > known[than]

/** The states that give way to `state`. */
export const givingWayTo = (state: NotificationState): NotificationState[] =>
  notificationStates.filter(other => saysMore(state, other))
