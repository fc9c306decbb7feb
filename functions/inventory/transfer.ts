/** Units of a SKU, wherever they are. */
export interface SkuQuantity {
  readonly sku: string
  readonly quantity: number
}

/** In transit is what has neither arrived, nor was written off, nor went back. */
export interface TransferLine extends SkuQuantity {
  readonly received: number
  readonly writtenOff: number
  readonly cancelled: number
}

export interface Transfer {
  readonly id: string
  /** `received` when nothing is in transit any more, whatever was written off. */
  readonly state: 'in_transit' | 'received' | 'cancelled'
  readonly source: string
  readonly destination: string
  readonly reference: string | null
  readonly writeOffReason: string | null
  readonly createdAt: Date
  readonly lines: readonly TransferLine[]
}

export const inTransit = (line: TransferLine): number => line.quantity - line.received - line.writtenOff - line.cancelled
