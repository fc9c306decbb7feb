import type { StockCommand } from '../decide.ts'

// The rule once more, as a clerk with a notebook would follow it: what is copied can be spoilt, so a refusal needs no undoing.

export interface Shelf {
  onHand: number
  held: number
  safety: number
  backorder: number
  room: number | null
  version: number
}
export interface Hold {
  state: string
  owner: string | undefined
  until: number
  lines: Map<string, { asked: number; gone: number; given: number; back: number }>
}
export interface Journey {
  state: string
  from: string
  to: string
  lines: Map<string, { sent: number; arrived: number; lost: number; home: number }>
}
export interface Notebook {
  shelves: Map<string, Shelf>
  holds: Map<string, Hold>
  journeys: Map<string, Journey>
}

export class No extends Error {
  readonly code: string
  readonly short: readonly string[]
  constructor(code: string, short: readonly string[] = []) {
    super(code)
    this.code = code
    this.short = short
  }
}

export const locations = ['main', 'east']
export const at = (line: { sku: string; location?: string | undefined }) => `${line.sku}@${line.location ?? ''}`
export const skuOf = (place: string) => place.slice(0, place.indexOf('@'))
const bare = (): Shelf => ({ onHand: 0, held: 0, safety: 0, backorder: 0, room: null, version: 0 })
const shelfOf = (book: Notebook, place: string): Shelf => book.shelves.get(place) ?? bare()

export function tally<T>(lines: readonly T[], place: (line: T) => string, amount: (line: T) => number): Map<string, number> {
  const sums = new Map<string, number>()
  for (const line of lines) sums.set(place(line), (sums.get(place(line)) ?? 0) + amount(line))
  return sums
}

export function refuse(code: string, places: Iterable<string>): void {
  const all = [...places]
  if (all.length > 0) throw new No(code, all)
}

export const where = (sums: Map<string, number>, isBad: (place: string, amount: number) => boolean): string[] =>
  [...sums].filter(([place, amount]) => isBad(place, amount)).map(([place]) => place)

/** What the clerk works with while one command is done: the notebook, what moved, and places of which a part could not be taken. */
export class Desk {
  readonly moves: string[] = []
  readonly short: string[] = []
  readonly book: Notebook
  readonly now: number

  constructor(book: Notebook, now: number) {
    this.book = book
    this.now = now
  }

  shelf = (place: string): Shelf => shelfOf(this.book, place)

  move(kind: StockCommand['kind'], place: string, onHand: number, held: number): void {
    const shelf = this.shelf(place)
    shelf.onHand += onHand
    shelf.held += held
    shelf.version += 1
    this.book.shelves.set(place, shelf)
    this.moves.push(`${kind} ${place} ${onHand} ${held}`)
  }

  free(place: string): number {
    const { onHand, held, backorder } = this.shelf(place)
    return Math.min(onHand, onHand + backorder - held)
  }

  isOverfull(place: string, units: number): boolean {
    const { room, onHand } = this.shelf(place)
    return room !== null && onHand + units > room
  }
}
