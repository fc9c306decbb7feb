import type { StockCommand } from '../decide.ts'
import { type Desk, No, refuse, tally, where } from './notebook.ts'

type OfJourneys = Extract<StockCommand, { kind: 'transfer' | 'transfer-receive' | 'transfer-cancel' }>

export function followJourneys(desk: Desk, command: OfJourneys): void {
  switch (command.kind) {
    case 'transfer': {
      const sums = tally(
        command.lines,
        line => line.sku,
        line => line.quantity,
      )
      const from = (sku: string) => `${sku}@${command.source}`
      refuse('insufficient_stock', where(sums, (sku, units) => units > desk.free(from(sku))).map(from))
      for (const [sku, units] of sums) desk.move('transfer', from(sku), -units, 0)
      const lines = new Map([...sums].map(([sku, sent]) => [sku, { sent, arrived: 0, lost: 0, home: 0 }]))
      desk.book.journeys.set(command.id, { state: 'in_transit', from: command.source, to: command.destination, lines })
      break
    }
    case 'transfer-receive': {
      const journey = desk.book.journeys.get(command.id)
      if (!journey) throw new No('not_found')
      if (journey.state === 'received' && command.lines === undefined) break
      if (journey.state !== 'in_transit') throw new No('transfer_not_in_transit')
      const onTheWay = (sku: string) => {
        const line = journey.lines.get(sku)
        return line ? line.sent - line.arrived - line.lost : 0
      }
      const sums = tally(
        command.lines ?? [...journey.lines.keys()].map(sku => ({ sku, quantity: onTheWay(sku) })),
        line => line.sku,
        line => line.quantity,
      )
      const to = (sku: string) => `${sku}@${journey.to}`
      refuse(
        'exceeds_outstanding',
        where(sums, (sku, units) => units > onTheWay(sku)),
      )
      refuse(
        'capacity_exceeded',
        where(sums, (sku, units) => units > 0 && desk.isOverfull(to(sku), units)),
      )
      for (const [sku, units] of sums) {
        const line = journey.lines.get(sku) as { arrived: number }
        line.arrived += units
        if (units > 0) desk.move('transfer-receive', to(sku), units, 0)
      }
      for (const line of journey.lines.values()) if (command.writeOff !== undefined) line.lost = line.sent - line.arrived
      if ([...journey.lines.keys()].every(sku => onTheWay(sku) === 0)) journey.state = 'received'
      break
    }
    case 'transfer-cancel': {
      const journey = desk.book.journeys.get(command.id)
      if (!journey) throw new No('not_found')
      if (journey.state === 'cancelled') break
      if (journey.state !== 'in_transit') throw new No('transfer_not_in_transit')
      for (const [sku, line] of journey.lines) {
        line.home = line.sent - line.arrived - line.lost
        if (line.home > 0) desk.move('transfer-cancel', `${sku}@${journey.from}`, line.home, 0)
      }
      journey.state = 'cancelled'
      break
    }
  }
}
