import type { StockCommand } from '../decide.ts'
import { at, type Desk, No, refuse, type Shelf, tally, where } from './notebook.ts'

type OfLevels = Extract<StockCommand, { kind: 'receive' | 'sell' | 'adjust' | 'count' | 'repair' | 'set' | 'settings' }>

export function followLevels(desk: Desk, command: OfLevels): void {
  switch (command.kind) {
    case 'receive': {
      const sums = tally(command.lines, at, line => line.quantity)
      refuse(
        'capacity_exceeded',
        where(sums, (place, units) => desk.isOverfull(place, units)),
      )
      for (const [place, units] of sums) desk.move('receive', place, units, 0)
      break
    }
    case 'sell': {
      const sums = tally(command.lines, at, line => line.quantity)
      refuse(
        'insufficient_stock',
        where(sums, (place, units) => units > desk.free(place)),
      )
      for (const [place, units] of sums) desk.move('sell', place, -units, 0)
      break
    }
    case 'adjust':
    case 'count': {
      const sums = tally(command.lines, at, line => line.delta)
      refuse(
        'insufficient_stock',
        where(sums, (place, delta) => delta < 0 && -delta > desk.free(place)),
      )
      for (const [place, delta] of sums) if (delta !== 0) desk.move(command.kind, place, delta, 0)
      break
    }
    case 'set': {
      const shelf = desk.shelf(at(command))
      if (shelf.version !== command.ifMatch) throw new No('version_mismatch')
      const delta = command.onHand - shelf.onHand
      if (delta < 0 && -delta > desk.free(at(command))) throw new No('insufficient_stock', [at(command)])
      if (delta !== 0) desk.move('set', at(command), delta, 0)
      break
    }
    case 'settings': {
      const shelf = desk.shelf(at(command))
      const { safetyStock: safety, backorderLimit: backorder, capacity: room } = command
      if (shelf.safety === safety && shelf.backorder === backorder && shelf.room === room) break
      if (shelf.held > shelf.onHand + backorder) throw new No('limit_in_use')
      desk.move('settings', at(command), 0, 0)
      Object.assign(desk.book.shelves.get(at(command)) as Shelf, { safety, backorder, room })
      break
    }
  }
}
