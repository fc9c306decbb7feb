// Derived from schemas/*.avsc by `npm run manifests`. Edit those.

export interface EventData {
  /** Somebody is at it: nothing more about this alert needs to be escalated. */
  'tidemark.alert.acknowledged.v1': {
    readonly alertId: string
    readonly sku: string
    readonly location: string
    readonly acknowledgedAt: number
    readonly acknowledgedBy: string
  }
  /** Nobody has acknowledged the alert in time: the targets of the policy’s next step are told. */
  'tidemark.alert.escalated.v1': {
    readonly alertId: string
    readonly sku: string
    readonly location: string
    readonly severity: 'low' | 'critical' | 'out_of_stock'
    readonly available: number
    readonly threshold: number
    readonly category: null | string
    readonly policyId: string
    /** From 1; counts on through repetitions of the policy, and when the alert is told again. */
    readonly step: number
    /** recipient:<id>, group:<name> or role:<name>. */
    readonly targets: readonly string[]
    /** Channels to use; empty for the recipients’ own preferences. */
    readonly channels: readonly string[]
    readonly escalatedAt: number
  }
  /** The stock of a SKU at a location has fallen to its threshold; told again when it got worse or its snooze is over. */
  'tidemark.alert.raised.v1': {
    readonly alertId: string
    readonly sku: string
    readonly location: string
    readonly severity: 'low' | 'critical' | 'out_of_stock'
    readonly available: number
    /** Units; the alert is raised at or below it. */
    readonly threshold: number
    /** The stock row’s version that raised it. */
    readonly stockVersion: number
    readonly raisedAt: number
    /** Counts how often this alert was told, from 1. */
    readonly telling: number
    /** Of the SKU, where it has one. */
    readonly category: null | string
    /** The type of threshold that raised it: absolute, percentage, days_of_cover or forecast. */
    readonly rule: string
    /** Units to order now, where enough is known to say so. */
    readonly suggestedOrder: null | number
    /** What keeps it from being told: silence:<id> or inhibited:<why>. Null when it is to be told. */
    readonly muted: null | string
  }
  /** The stock has recovered above the threshold’s hysteresis, or a person has resolved the alert. */
  'tidemark.alert.resolved.v1': {
    readonly alertId: string
    readonly sku: string
    readonly location: string
    readonly available: number
    readonly stockVersion: number
    readonly resolvedAt: number
    /** Who resolved it; null when the stock recovered. */
    readonly resolvedBy: null | string
  }
  /** A cycle count is over. */
  'tidemark.count.closed.v1': {
    readonly countId: string
    readonly location: string
    readonly state: 'approved' | 'cancelled'
    readonly closedAt: number
  }
  /** A cycle count has begun: people are at the shelves of the location. */
  'tidemark.count.opened.v1': {
    readonly countId: string
    readonly location: string
    /** It covers SKUs that begin so. */
    readonly skuPrefix: null | string
    /** It covers these SKUs alone. Null: what begins so, or the whole location. */
    readonly skus: null | readonly string[]
    /** Lines to count. */
    readonly lines: number
    readonly openedAt: number
  }
  /** A notification waits to be sent. What it says stands in its row. */
  'tidemark.notification.queued.v1': {
    readonly notificationId: string
    /** email, sms, push, pagerduty or webhook. */
    readonly channel: string
    /** How often it has been queued, from 1: each time is one event. */
    readonly attempt: number
  }
  /** An order is over without effect: its stock goes back and its payment is returned. */
  'tidemark.order.cancelled.v1': {
    readonly orderId: string
    /** Absent when the order never held stock. */
    readonly reservationId: null | string
    readonly reason: string
  }
  /** An order is paid and its stock has left the shelf. */
  'tidemark.order.confirmed.v1': {
    readonly orderId: string
    readonly paymentId: string
    /** Minor units. */
    readonly total: number
    /** ISO 4217. */
    readonly currency: string
  }
  /** An order holds its stock and waits for its payment. */
  'tidemark.order.placed.v1': {
    readonly orderId: string
    /** The client that placed it. */
    readonly client: string
    readonly reservationId: string
    /** ISO 4217. */
    readonly currency: string
    /** Minor units. */
    readonly total: number
    /** The gateway’s token for the means of payment; never a card number. */
    readonly paymentToken: string
    readonly reference: null | string
    readonly lines: readonly {
      readonly sku: string
      readonly location: string
      readonly quantity: number
      /** Minor units. */
      readonly unitPrice: number
    }[]
  }
  /** An urgent notification waits to be sent, in a lane of its own. What it says stands in its row. */
  'tidemark.page.queued.v1': {
    readonly notificationId: string
    /** email, sms, push, pagerduty or webhook. */
    readonly channel: string
    /** How often it has been queued, from 1: each time is one event. */
    readonly attempt: number
  }
  /** The payment was declined; another try needs another means of payment. */
  'tidemark.payment.failed.v1': {
    readonly orderId: string
    readonly paymentId: string
    readonly declineCode: string
  }
  /** The order’s total was given back. */
  'tidemark.payment.refunded.v1': {
    readonly orderId: string
    readonly paymentId: string
    /** Minor units. */
    readonly amount: number
    /** ISO 4217. */
    readonly currency: string
  }
  /** The order’s total was taken. */
  'tidemark.payment.succeeded.v1': {
    readonly orderId: string
    readonly paymentId: string
    /** Minor units. */
    readonly amount: number
    /** ISO 4217. */
    readonly currency: string
  }
  /** The stock of a SKU at a location after a change. A higher version is newer; what is not newer can be dropped. */
  'tidemark.stock.changed.v1': {
    readonly sku: string
    readonly location: string
    /** Units on the shelf. */
    readonly onHand: number
    /** Units promised to open reservations. */
    readonly reserved: number
    /** onHand − reserved − safety stock. */
    readonly available: number
    /** Counts the changes of this row. */
    readonly version: number
    /** The kind of the last movement. */
    readonly kind: string
    /** What the caller named as the reason: an order, a delivery. */
    readonly reference: null | string
    /** Units that there is room for, where that is known. */
    readonly capacity: null | number
    /** The version before: this event tells of the changes since + 1 to version, and of each change one event tells. */
    readonly since: null | number
    /** Units that these changes sold, less those that customers gave back. Null where nobody has counted. */
    readonly sold: null | number
  }
  /** The totals of a SKU at a location are not what its ledger and its reservations prove. Told once for each drift. */
  'tidemark.stock.drifted.v1': {
    readonly driftId: string
    readonly sku: string
    readonly location: string
    /** on_hand, reserved, ledger, oversold or transit. */
    readonly kind: string
    readonly expected: number
    readonly found: number
    readonly seenAt: number
  }
}

export const eventSchemas = {
  'tidemark.alert.acknowledged.v1': {
    topic: 'alerts',
    key: 'alertId',
    schema: "{\"type\":\"record\",\"namespace\":\"tidemark.alert.acknowledged\",\"name\":\"v1\",\"doc\":\"Somebody is at it: nothing more about this alert needs to be escalated.\",\"topic\":\"alerts\",\"key\":\"alertId\",\"fields\":[{\"name\":\"alertId\",\"type\":\"string\"},{\"name\":\"sku\",\"type\":\"string\"},{\"name\":\"location\",\"type\":\"string\"},{\"name\":\"acknowledgedAt\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}},{\"name\":\"acknowledgedBy\",\"type\":\"string\"}]}",
  },
  'tidemark.alert.escalated.v1': {
    topic: 'alerts',
    key: 'alertId',
    schema: "{\"type\":\"record\",\"namespace\":\"tidemark.alert.escalated\",\"name\":\"v1\",\"doc\":\"Nobody has acknowledged the alert in time: the targets of the policy’s next step are told.\",\"topic\":\"alerts\",\"key\":\"alertId\",\"fields\":[{\"name\":\"alertId\",\"type\":\"string\"},{\"name\":\"sku\",\"type\":\"string\"},{\"name\":\"location\",\"type\":\"string\"},{\"name\":\"severity\",\"type\":{\"type\":\"enum\",\"name\":\"Severity\",\"symbols\":[\"low\",\"critical\",\"out_of_stock\"]}},{\"name\":\"available\",\"type\":\"long\"},{\"name\":\"threshold\",\"type\":\"long\"},{\"name\":\"category\",\"type\":[\"null\",\"string\"],\"default\":null},{\"name\":\"policyId\",\"type\":\"string\"},{\"name\":\"step\",\"type\":\"int\",\"doc\":\"From 1; counts on through repetitions of the policy, and when the alert is told again.\"},{\"name\":\"targets\",\"type\":{\"type\":\"array\",\"items\":\"string\"},\"doc\":\"recipient:<id>, group:<name> or role:<name>.\"},{\"name\":\"channels\",\"type\":{\"type\":\"array\",\"items\":\"string\"},\"doc\":\"Channels to use; empty for the recipients’ own preferences.\",\"default\":[]},{\"name\":\"escalatedAt\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}}]}",
  },
  'tidemark.alert.raised.v1': {
    topic: 'alerts',
    key: 'alertId',
    schema: "{\"type\":\"record\",\"namespace\":\"tidemark.alert.raised\",\"name\":\"v1\",\"doc\":\"The stock of a SKU at a location has fallen to its threshold; told again when it got worse or its snooze is over.\",\"topic\":\"alerts\",\"key\":\"alertId\",\"fields\":[{\"name\":\"alertId\",\"type\":\"string\"},{\"name\":\"sku\",\"type\":\"string\"},{\"name\":\"location\",\"type\":\"string\"},{\"name\":\"severity\",\"type\":{\"type\":\"enum\",\"name\":\"Severity\",\"symbols\":[\"low\",\"critical\",\"out_of_stock\"]}},{\"name\":\"available\",\"type\":\"long\"},{\"name\":\"threshold\",\"type\":\"long\",\"doc\":\"Units; the alert is raised at or below it.\"},{\"name\":\"stockVersion\",\"type\":\"long\",\"doc\":\"The stock row’s version that raised it.\"},{\"name\":\"raisedAt\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}},{\"name\":\"telling\",\"type\":\"int\",\"doc\":\"Counts how often this alert was told, from 1.\",\"default\":1},{\"name\":\"category\",\"type\":[\"null\",\"string\"],\"doc\":\"Of the SKU, where it has one.\",\"default\":null},{\"name\":\"rule\",\"type\":\"string\",\"doc\":\"The type of threshold that raised it: absolute, percentage, days_of_cover or forecast.\",\"default\":\"absolute\"},{\"name\":\"suggestedOrder\",\"type\":[\"null\",\"long\"],\"doc\":\"Units to order now, where enough is known to say so.\",\"default\":null},{\"name\":\"muted\",\"type\":[\"null\",\"string\"],\"doc\":\"What keeps it from being told: silence:<id> or inhibited:<why>. Null when it is to be told.\",\"default\":null}]}",
  },
  'tidemark.alert.resolved.v1': {
    topic: 'alerts',
    key: 'alertId',
    schema: "{\"type\":\"record\",\"namespace\":\"tidemark.alert.resolved\",\"name\":\"v1\",\"doc\":\"The stock has recovered above the threshold’s hysteresis, or a person has resolved the alert.\",\"topic\":\"alerts\",\"key\":\"alertId\",\"fields\":[{\"name\":\"alertId\",\"type\":\"string\"},{\"name\":\"sku\",\"type\":\"string\"},{\"name\":\"location\",\"type\":\"string\"},{\"name\":\"available\",\"type\":\"long\"},{\"name\":\"stockVersion\",\"type\":\"long\"},{\"name\":\"resolvedAt\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}},{\"name\":\"resolvedBy\",\"type\":[\"null\",\"string\"],\"doc\":\"Who resolved it; null when the stock recovered.\",\"default\":null}]}",
  },
  'tidemark.count.closed.v1': {
    topic: 'counts',
    key: 'location',
    schema: "{\"type\":\"record\",\"namespace\":\"tidemark.count.closed\",\"name\":\"v1\",\"doc\":\"A cycle count is over.\",\"topic\":\"counts\",\"key\":\"location\",\"fields\":[{\"name\":\"countId\",\"type\":\"string\"},{\"name\":\"location\",\"type\":\"string\"},{\"name\":\"state\",\"type\":{\"type\":\"enum\",\"name\":\"CountEnd\",\"symbols\":[\"approved\",\"cancelled\"]}},{\"name\":\"closedAt\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}}]}",
  },
  'tidemark.count.opened.v1': {
    topic: 'counts',
    key: 'location',
    schema: "{\"type\":\"record\",\"namespace\":\"tidemark.count.opened\",\"name\":\"v1\",\"doc\":\"A cycle count has begun: people are at the shelves of the location.\",\"topic\":\"counts\",\"key\":\"location\",\"fields\":[{\"name\":\"countId\",\"type\":\"string\"},{\"name\":\"location\",\"type\":\"string\"},{\"name\":\"skuPrefix\",\"type\":[\"null\",\"string\"],\"doc\":\"It covers SKUs that begin so.\",\"default\":null},{\"name\":\"skus\",\"type\":[\"null\",{\"type\":\"array\",\"items\":\"string\"}],\"doc\":\"It covers these SKUs alone. Null: what begins so, or the whole location.\",\"default\":null},{\"name\":\"lines\",\"type\":\"long\",\"doc\":\"Lines to count.\"},{\"name\":\"openedAt\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}}]}",
  },
  'tidemark.notification.queued.v1': {
    topic: 'notifications',
    key: 'notificationId',
    schema: "{\"type\":\"record\",\"namespace\":\"tidemark.notification.queued\",\"name\":\"v1\",\"doc\":\"A notification waits to be sent. What it says stands in its row.\",\"topic\":\"notifications\",\"key\":\"notificationId\",\"fields\":[{\"name\":\"notificationId\",\"type\":\"string\"},{\"name\":\"channel\",\"type\":\"string\",\"doc\":\"email, sms, push, pagerduty or webhook.\"},{\"name\":\"attempt\",\"type\":\"int\",\"doc\":\"How often it has been queued, from 1: each time is one event.\",\"default\":1}]}",
  },
  'tidemark.order.cancelled.v1': {
    topic: 'orders',
    key: 'orderId',
    schema: "{\"type\":\"record\",\"namespace\":\"tidemark.order.cancelled\",\"name\":\"v1\",\"doc\":\"An order is over without effect: its stock goes back and its payment is returned.\",\"topic\":\"orders\",\"key\":\"orderId\",\"fields\":[{\"name\":\"orderId\",\"type\":\"string\"},{\"name\":\"reservationId\",\"type\":[\"null\",\"string\"],\"doc\":\"Absent when the order never held stock.\",\"default\":null},{\"name\":\"reason\",\"type\":\"string\"}]}",
  },
  'tidemark.order.confirmed.v1': {
    topic: 'orders',
    key: 'orderId',
    schema: "{\"type\":\"record\",\"namespace\":\"tidemark.order.confirmed\",\"name\":\"v1\",\"doc\":\"An order is paid and its stock has left the shelf.\",\"topic\":\"orders\",\"key\":\"orderId\",\"fields\":[{\"name\":\"orderId\",\"type\":\"string\"},{\"name\":\"paymentId\",\"type\":\"string\"},{\"name\":\"total\",\"type\":\"long\",\"doc\":\"Minor units.\"},{\"name\":\"currency\",\"type\":\"string\",\"doc\":\"ISO 4217.\"}]}",
  },
  'tidemark.order.placed.v1': {
    topic: 'orders',
    key: 'orderId',
    schema: "{\"type\":\"record\",\"namespace\":\"tidemark.order.placed\",\"name\":\"v1\",\"doc\":\"An order holds its stock and waits for its payment.\",\"topic\":\"orders\",\"key\":\"orderId\",\"fields\":[{\"name\":\"orderId\",\"type\":\"string\"},{\"name\":\"client\",\"type\":\"string\",\"doc\":\"The client that placed it.\"},{\"name\":\"reservationId\",\"type\":\"string\"},{\"name\":\"currency\",\"type\":\"string\",\"doc\":\"ISO 4217.\"},{\"name\":\"total\",\"type\":\"long\",\"doc\":\"Minor units.\"},{\"name\":\"paymentToken\",\"type\":\"string\",\"doc\":\"The gateway’s token for the means of payment; never a card number.\"},{\"name\":\"reference\",\"type\":[\"null\",\"string\"],\"default\":null},{\"name\":\"lines\",\"type\":{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"OrderLine\",\"fields\":[{\"name\":\"sku\",\"type\":\"string\"},{\"name\":\"location\",\"type\":\"string\"},{\"name\":\"quantity\",\"type\":\"long\"},{\"name\":\"unitPrice\",\"type\":\"long\",\"doc\":\"Minor units.\"}]}}}]}",
  },
  'tidemark.page.queued.v1': {
    topic: 'notifications-urgent',
    key: 'notificationId',
    schema: "{\"type\":\"record\",\"namespace\":\"tidemark.page.queued\",\"name\":\"v1\",\"doc\":\"An urgent notification waits to be sent, in a lane of its own. What it says stands in its row.\",\"topic\":\"notifications-urgent\",\"key\":\"notificationId\",\"fields\":[{\"name\":\"notificationId\",\"type\":\"string\"},{\"name\":\"channel\",\"type\":\"string\",\"doc\":\"email, sms, push, pagerduty or webhook.\"},{\"name\":\"attempt\",\"type\":\"int\",\"doc\":\"How often it has been queued, from 1: each time is one event.\",\"default\":1}]}",
  },
  'tidemark.payment.failed.v1': {
    topic: 'payments',
    key: 'orderId',
    schema: "{\"type\":\"record\",\"namespace\":\"tidemark.payment.failed\",\"name\":\"v1\",\"doc\":\"The payment was declined; another try needs another means of payment.\",\"topic\":\"payments\",\"key\":\"orderId\",\"fields\":[{\"name\":\"orderId\",\"type\":\"string\"},{\"name\":\"paymentId\",\"type\":\"string\"},{\"name\":\"declineCode\",\"type\":\"string\"}]}",
  },
  'tidemark.payment.refunded.v1': {
    topic: 'payments',
    key: 'orderId',
    schema: "{\"type\":\"record\",\"namespace\":\"tidemark.payment.refunded\",\"name\":\"v1\",\"doc\":\"The order’s total was given back.\",\"topic\":\"payments\",\"key\":\"orderId\",\"fields\":[{\"name\":\"orderId\",\"type\":\"string\"},{\"name\":\"paymentId\",\"type\":\"string\"},{\"name\":\"amount\",\"type\":\"long\",\"doc\":\"Minor units.\"},{\"name\":\"currency\",\"type\":\"string\",\"doc\":\"ISO 4217.\"}]}",
  },
  'tidemark.payment.succeeded.v1': {
    topic: 'payments',
    key: 'orderId',
    schema: "{\"type\":\"record\",\"namespace\":\"tidemark.payment.succeeded\",\"name\":\"v1\",\"doc\":\"The order’s total was taken.\",\"topic\":\"payments\",\"key\":\"orderId\",\"fields\":[{\"name\":\"orderId\",\"type\":\"string\"},{\"name\":\"paymentId\",\"type\":\"string\"},{\"name\":\"amount\",\"type\":\"long\",\"doc\":\"Minor units.\"},{\"name\":\"currency\",\"type\":\"string\",\"doc\":\"ISO 4217.\"}]}",
  },
  'tidemark.stock.changed.v1': {
    topic: 'stock',
    key: 'sku',
    schema: "{\"type\":\"record\",\"namespace\":\"tidemark.stock.changed\",\"name\":\"v1\",\"doc\":\"The stock of a SKU at a location after a change. A higher version is newer; what is not newer can be dropped.\",\"topic\":\"stock\",\"key\":\"sku\",\"fields\":[{\"name\":\"sku\",\"type\":\"string\"},{\"name\":\"location\",\"type\":\"string\"},{\"name\":\"onHand\",\"type\":\"long\",\"doc\":\"Units on the shelf.\"},{\"name\":\"reserved\",\"type\":\"long\",\"doc\":\"Units promised to open reservations.\"},{\"name\":\"available\",\"type\":\"long\",\"doc\":\"onHand − reserved − safety stock.\"},{\"name\":\"version\",\"type\":\"long\",\"doc\":\"Counts the changes of this row.\"},{\"name\":\"kind\",\"type\":\"string\",\"doc\":\"The kind of the last movement.\"},{\"name\":\"reference\",\"type\":[\"null\",\"string\"],\"doc\":\"What the caller named as the reason: an order, a delivery.\",\"default\":null},{\"name\":\"capacity\",\"type\":[\"null\",\"long\"],\"doc\":\"Units that there is room for, where that is known.\",\"default\":null},{\"name\":\"since\",\"type\":[\"null\",\"long\"],\"doc\":\"The version before: this event tells of the changes since + 1 to version, and of each change one event tells.\",\"default\":null},{\"name\":\"sold\",\"type\":[\"null\",\"long\"],\"doc\":\"Units that these changes sold, less those that customers gave back. Null where nobody has counted.\",\"default\":null}]}",
  },
  'tidemark.stock.drifted.v1': {
    topic: 'stock',
    key: 'sku',
    schema: "{\"type\":\"record\",\"namespace\":\"tidemark.stock.drifted\",\"name\":\"v1\",\"doc\":\"The totals of a SKU at a location are not what its ledger and its reservations prove. Told once for each drift.\",\"topic\":\"stock\",\"key\":\"sku\",\"fields\":[{\"name\":\"driftId\",\"type\":\"string\"},{\"name\":\"sku\",\"type\":\"string\"},{\"name\":\"location\",\"type\":\"string\"},{\"name\":\"kind\",\"type\":\"string\",\"doc\":\"on_hand, reserved, ledger, oversold or transit.\"},{\"name\":\"expected\",\"type\":\"long\"},{\"name\":\"found\",\"type\":\"long\"},{\"name\":\"seenAt\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}}]}",
  },
} as const satisfies Record<keyof EventData, { topic: string; key: string; schema: string }>
