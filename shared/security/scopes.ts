/** What a token may allow. An operation names the scopes of which a caller needs one. */
export const scopes = {
  'stock:read': 'Read stock levels and reservations.',
  'stock:write': 'Receive, adjust and set stock; reserve, commit, release and return.',
  'orders:read': 'Read orders.',
  'orders:write': 'Place and cancel orders.',
  'alerts:read': 'Read thresholds and alerts.',
  'alerts:write': 'Set thresholds; acknowledge, snooze and resolve alerts.',
  'notifications:read': 'Read what was sent to whom.',
  'notifications:write': 'Send messages again; register devices and webhooks.',
  'ops:read': 'Read backlogs and dead letters.',
  'ops:write': 'Replay dead letters; put set-aside events back.',
  'recipients:read': 'Read who is told, how, and with which words: recipients, routes, templates.',
  'recipients:write': 'Say who is told, how, and with which words: recipients, routes, templates.',
} as const

export type Scope = keyof typeof scopes
