import type { EventOf } from '../../shared/events/catalog.ts'

export interface Message {
  readonly subject: string
  readonly text: string
}

type Raised = EventOf<'tidemark.alert.raised.v1'>['data']

/** What a person reads: what is low, how low, and what to do. */
export function messageFor({ sku, location, severity, available, threshold, alertId }: Raised): Message {
  const what = severity === 'out_of_stock' ? 'is out of stock' : 'is low'
  return {
    subject: `${sku} ${what} at ${location}: ${available} left`,
    text: [
      `${sku} ${what} at ${location}.`,
      '',
      `Available: ${available} units`,
      `Threshold: ${threshold} units`,
      '',
      `Reorder it, or change its threshold. Alert ${alertId}.`,
    ].join('\n'),
  }
}
