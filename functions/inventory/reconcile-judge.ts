/** What one row's totals, ledger, reservations and last proof say, read in one snapshot. */
export interface Figures {
  readonly sku: string
  readonly location: string
  /** There is no row: its figures are 0. */
  readonly absent?: boolean
  readonly onHand: number
  readonly reserved: number
  readonly version: number
  readonly backorderLimit: number
  /** What the ledger adds up to: all of it, or the last proof and what came later. */
  readonly ledger: {
    readonly versions: number
    readonly newest: number
    /** Movements whose version another one has as well. */
    readonly doubled?: number
    readonly onHand: number
    readonly reserved: number
  }
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
  if (row.absent)
    return isUnknown(row) ? [] : [found('ledger', ledger.onHand, 0, 'The row is gone that ledger or reservations know.')]
  const findings: Finding[] = []
  if (ledger.doubled) {
    findings.push(found('ledger', ledger.newest, ledger.newest + ledger.doubled, 'Versions are in the ledger more than once.'))
  } else if (ledger.versions !== ledger.newest) {
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

/** Nothing ever was at a place without a row. */
const isUnknown = ({ ledger, promised, proved }: Figures): boolean => ledger.newest === 0 && promised === 0 && proved == null

const isRewritten = ({ proved, again }: Figures): boolean =>
  proved != null &&
  again != null &&
  (again.versions !== proved.version || again.onHand !== proved.onHand || again.reserved !== proved.reserved)

/** A repair as differences: what the totals have too much, and what the ledger lacks of the open reservations. */
export interface Repair {
  readonly drift: { readonly onHand: number; readonly reserved: number }
  readonly reservedDelta: number
  /** Where the row is gone: what it is put back with before the rest is done. */
  readonly restored?: RestoredRow
}

/** Settings are in no ledger: the backorder limit is what the promises need that were made, the others are lost. */
export interface RestoredRow {
  readonly onHand: number
  readonly reserved: number
  readonly backorderLimit: number
  readonly version: number
}

/**
 * The repair that ledger and reservations prove; 'person' when the ledger itself is wrong, so that nothing is proved; undefined when
 * the row adds up. The units on the shelf follow the ledger, the promised ones the open reservations.
 */
export function repairOf(row: Figures): Repair | 'person' | undefined {
  const findings = judge(row)
  if (findings.length === 0) return undefined
  if (row.absent) return restorationOf(row)
  if (findings.some(({ kind }) => kind === 'ledger')) return 'person'
  const { ledger, promised, backorderLimit } = row
  if (ledger.onHand < 0 || promised > ledger.onHand + backorderLimit) return 'person'
  return {
    drift: { onHand: row.onHand - ledger.onHand, reserved: row.reserved - ledger.reserved },
    reservedDelta: promised - ledger.reserved,
  }
}

function restorationOf(row: Figures): Repair | 'person' {
  const { ledger, promised } = row
  const isWhole = ledger.versions > 0 && ledger.versions === ledger.newest && !ledger.doubled && !isRewritten(row)
  if (!isWhole || ledger.onHand < 0 || ledger.reserved < 0) return 'person'
  const backorderLimit = Math.max(ledger.reserved - ledger.onHand, 0)
  if (promised > ledger.onHand + backorderLimit) return 'person'
  return {
    drift: { onHand: 0, reserved: 0 },
    reservedDelta: promised - ledger.reserved,
    restored: { onHand: ledger.onHand, reserved: ledger.reserved, backorderLimit, version: ledger.newest },
  }
}
