/** What one row's totals, ledger, reservations and last proof say, read in one snapshot. */
export interface Figures {
  readonly sku: string
  readonly location: string
  readonly onHand: number
  readonly reserved: number
  readonly version: number
  readonly backorderLimit: number
  /** What the ledger adds up to: all of it, or the last proof and what came later. */
  readonly ledger: { readonly versions: number; readonly newest: number; readonly onHand: number; readonly reserved: number }
  /** Units that open reservations still wait for. */
  readonly promised: number
  /** The sums that were proved once, and what the same versions add up to now; only where the ledger was read from its beginning. */
  readonly proved?: { readonly version: number; readonly onHand: number; readonly reserved: number } | null
  readonly again?: { readonly versions: number; readonly onHand: number; readonly reserved: number } | null
}

export type DriftKind = 'on_hand' | 'reserved' | 'ledger' | 'oversold' | 'transit'

export interface Finding {
  readonly kind: DriftKind
  readonly sku: string
  readonly location: string
  readonly expected: number
  readonly found: number
  readonly detail: string
}

/** What is wrong with a row; nothing for one that adds up. */
export function judge(row: Figures): Finding[] {
  const { sku, location, onHand, reserved, version, ledger, promised } = row
  const found = (kind: DriftKind, expected: number, is: number, detail: string) => ({
    kind,
    sku,
    location,
    expected,
    found: is,
    detail,
  })
  const findings: Finding[] = []
  if (ledger.versions !== ledger.newest) {
    findings.push(found('ledger', ledger.newest, ledger.versions, 'Movements are missing from the ledger.'))
  } else if (ledger.newest !== version) {
    findings.push(found('ledger', ledger.newest, version, "The row's version is not that of its last movement."))
  } else if (isRewritten(row)) {
    findings.push(
      found('ledger', row.proved?.onHand ?? 0, row.again?.onHand ?? 0, 'Movements were changed after they had been proved.'),
    )
  }
  if (onHand !== ledger.onHand) {
    findings.push(found('on_hand', ledger.onHand, onHand, 'The units on the shelf are not what the movements add up to.'))
  }
  if (reserved !== promised || reserved !== ledger.reserved) {
    const detail =
      reserved === promised
        ? 'The reserved units are not what the movements add up to.'
        : 'The reserved units are not what open reservations wait for.'
    findings.push(found('reserved', reserved === promised ? ledger.reserved : promised, reserved, detail))
  }
  if (onHand < 0 || reserved > onHand + row.backorderLimit) {
    findings.push(found('oversold', onHand + row.backorderLimit, reserved, 'More is promised than there is.'))
  }
  return findings
}

const isRewritten = ({ proved, again }: Figures): boolean =>
  proved != null &&
  again != null &&
  (again.versions !== proved.version || again.onHand !== proved.onHand || again.reserved !== proved.reserved)

/** A repair as differences: what the totals have too much, and what the ledger lacks of the open reservations. */
export interface Repair {
  readonly drift: { readonly onHand: number; readonly reserved: number }
  readonly reservedDelta: number
}

/**
 * The repair that ledger and reservations prove; 'person' when the ledger itself is wrong, so that nothing is proved; undefined when
 * the row adds up. The units on the shelf follow the ledger, the promised ones the open reservations.
 */
export function repairOf(row: Figures): Repair | 'person' | undefined {
  const findings = judge(row)
  if (findings.length === 0) return undefined
  if (findings.some(({ kind }) => kind === 'ledger')) return 'person'
  const { ledger, promised, backorderLimit } = row
  if (ledger.onHand < 0 || promised > ledger.onHand + backorderLimit) return 'person'
  return {
    drift: { onHand: row.onHand - ledger.onHand, reserved: row.reserved - ledger.reserved },
    reservedDelta: promised - ledger.reserved,
  }
}
