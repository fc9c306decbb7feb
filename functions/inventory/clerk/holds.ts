import type { StockCommand } from '../decide.ts'
import { at, type Desk, type Hold, locations, No, refuse, skuOf, tally, where } from './notebook.ts'

type OfHolds = Extract<StockCommand, { kind: 'extend' | 'commit' | 'release' | 'return' | 'expire' }>

function end(hold: Hold, state: string): void {
  const isOver = [...hold.lines.values()].every(line => line.gone + line.given === line.asked)
  hold.state = isOver ? state : 'open'
}

function expire(desk: Desk, hold: Hold, kind: 'expire' | 'release', isWanted: (place: string) => boolean): void {
  for (const [place, line] of hold.lines) {
    const left = line.asked - line.gone - line.given
    if (left === 0 || !isWanted(place)) continue
    line.given += left
    desk.move(kind, place, 0, -left)
  }
  end(hold, kind === 'expire' ? 'expired' : 'released')
}

export function reserve(desk: Desk, command: Extract<StockCommand, { kind: 'reserve' }>): void {
  const skus = new Set(command.lines.map(line => line.sku))
  for (const hold of command.owner === undefined ? [] : desk.book.holds.values()) {
    if (hold.state !== 'open' || hold.owner !== command.owner) continue
    expire(desk, hold, hold.until <= desk.now ? 'expire' : 'release', place => skus.has(skuOf(place)))
  }
  const taken = new Map<string, number>()
  const take = (place: string, units: number) => {
    if (units <= 0) return 0
    desk.move('reserve', place, 0, units)
    taken.set(place, (taken.get(place) ?? 0) + units)
    return units
  }
  const left = (place: string, hasBackorder: boolean) => {
    const { onHand, held, safety, backorder } = desk.shelf(place)
    return Math.max(onHand - held - safety + (hasBackorder ? backorder : 0), 0)
  }
  const named = command.lines.filter(line => line.location !== undefined)
  for (const [place, units] of tally(named, at, line => line.quantity)) {
    if (take(place, Math.min(units, left(place, true))) < units) desk.short.push(place)
  }
  const wanted = tally(
    command.lines.filter(line => line.location === undefined),
    line => line.sku,
    line => line.quantity,
  )
  const total = (sku: string) => locations.reduce((sum, location) => sum + left(`${sku}@${location}`, false), 0)
  const needsBackorder = [...wanted].some(([sku, units]) => units > total(sku))
  for (const [sku, units] of wanted) {
    let open = units
    for (const location of locations) {
      const place = `${sku}@${location}`
      open -= take(place, Math.min(open, left(place, needsBackorder)))
    }
    if (open > 0) desk.short.push(`${sku}@`)
  }
  if (desk.short.length > 0 && (!command.partial || taken.size === 0)) throw new No('insufficient_stock', desk.short)
  const lines = new Map([...taken].map(([place, asked]) => [place, { asked, gone: 0, given: 0, back: 0 }]))
  desk.book.holds.set(command.id, { state: 'open', owner: command.owner, until: command.expiresAt.getTime(), lines })
}

export function followHolds(desk: Desk, command: OfHolds): void {
  switch (command.kind) {
    case 'extend': {
      const hold = desk.book.holds.get(command.id)
      if (!hold) throw new No('not_found')
      if (hold.state === 'expired' || (hold.state === 'open' && hold.until <= desk.now)) throw new No('reservation_expired')
      if (hold.state !== 'open') throw new No('reservation_not_open')
      hold.until = Math.max(hold.until, command.expiresAt.getTime())
      break
    }
    case 'commit':
    case 'release':
    case 'return': {
      const { kind } = command
      const hold = desk.book.holds.get(command.id)
      if (!hold) throw new No('not_found')
      const isDone = hold.state === { commit: 'committed', release: 'released', return: 'returned' }[kind]
      if (isDone && command.lines === undefined) break
      const isLate = hold.state === 'expired' || (hold.state === 'open' && hold.until <= desk.now)
      if (kind === 'commit' && isLate) throw new No('reservation_expired')
      if (kind === 'release' && hold.state === 'expired') break
      if (kind !== 'return' && hold.state !== 'open') throw new No('reservation_not_open')
      const left = (place: string) => {
        const line = hold.lines.get(place)
        if (!line) return 0
        return kind === 'return' ? line.gone - line.back : line.asked - line.gone - line.given
      }
      const sums = command.lines
        ? tally(command.lines, at, line => line.quantity)
        : new Map([...hold.lines.keys()].map(place => [place, left(place)] as const).filter(([, units]) => units > 0))
      refuse(
        'exceeds_outstanding',
        where(sums, (place, units) => units > left(place)),
      )
      if (kind === 'return' && sums.size === 0) throw new No('reservation_not_open')
      if (kind === 'commit') {
        refuse(
          'insufficient_stock',
          where(sums, (place, units) => units > desk.shelf(place).onHand),
        )
      }
      for (const [place, units] of sums) {
        const line = hold.lines.get(place) as { gone: number; given: number; back: number }
        line[kind === 'commit' ? 'gone' : kind === 'release' ? 'given' : 'back'] += units
        desk.move(kind, place, kind === 'commit' ? -units : kind === 'return' ? units : 0, kind === 'return' ? 0 : -units)
      }
      if (kind !== 'return') end(hold, kind === 'commit' ? 'committed' : 'released')
      else if (hold.state !== 'open' && [...hold.lines.values()].every(line => line.gone === line.back)) hold.state = 'returned'
      break
    }
    case 'expire': {
      const hold = desk.book.holds.get(command.id)
      if (!hold) throw new No('not_found')
      if (hold.state === 'open' && hold.until <= desk.now) expire(desk, hold, 'expire', () => true)
      break
    }
  }
}
