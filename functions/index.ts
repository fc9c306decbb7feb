import type { TidemarkFunction } from '../shared/function/declare.ts'

/** Every function by its name: the only place that knows them all. Imported one at a time. */
export const functions: Record<string, () => Promise<TidemarkFunction>> = {
  gateway: async () => (await import('./gateway/gateway.ts')).gateway,
  inventory: async () => (await import('./inventory/inventory.ts')).inventory,
  'inventory-restore': async () => (await import('./inventory/restore.ts')).restoreStock,
  'inventory-reconcile': async () => (await import('./inventory/reconcile-round.ts')).reconcileInventory,
  'inventory-import': async () => (await import('./inventory/import.ts')).inventoryImport,
  'inventory-export': async () => (await import('./inventory/export.ts')).inventoryExport,
  'inventory-sweep': async () => (await import('./inventory/sweep.ts')).sweepInventory,
  'orders-place': async () => (await import('./orders/place.ts')).placeOrder,
  'orders-read': async () => (await import('./orders/read.ts')).readOrders,
  'orders-cancel': async () => (await import('./orders/cancel.ts')).cancelOrder,
  'orders-reserve': async () => (await import('./orders/reserve.ts')).reserveOrders,
  'orders-settle': async () => (await import('./orders/settle.ts')).settleOrder,
  'payments-charge': async () => (await import('./payments/charge.ts')).chargePayment,
  'payments-refund': async () => (await import('./payments/refund.ts')).refundPayment,
  'alerts-evaluate': async () => (await import('./alerts/evaluate.ts')).evaluateAlerts,
  'alerts-set-thresholds': async () => (await import('./alerts/set-thresholds.ts')).setThresholds,
  'alerts-read': async () => (await import('./alerts/read.ts')).readAlerts,
  'alerts-publish': async () => (await import('./alerts/publish.ts')).publishAlerts,
  'notifications-send': async () => (await import('./notifications/send.ts')).sendNotification,
  'notifications-read': async () => (await import('./notifications/read.ts')).readNotifications,
  'outbox-relay': async () => (await import('./plumbing/outbox-relay.ts')).outboxRelay,
  'dead-letters': async () => (await import('./plumbing/dead-letters.ts')).deadLetters,
  'records-forget': async () => (await import('./plumbing/forget.ts')).forget,
  'events-backlog': async () => (await import('./plumbing/backlog.ts')).eventsBacklog,
}
