import type { StockCommand } from '../decide.ts'
import { followHolds, reserve } from './holds.ts'
import { followJourneys } from './journeys.ts'
import { followLevels } from './levels.ts'
import { Desk, No, type Notebook } from './notebook.ts'

/** Changes the notebook as the command wants it. */
function follow(desk: Desk, command: StockCommand): void {
  switch (command.kind) {
    case 'receive':
    case 'sell':
    case 'adjust':
    case 'count':
    case 'set':
    case 'settings':
      followLevels(desk, command)
      break
    case 'reserve':
      reserve(desk, command)
      break
    case 'extend':
    case 'commit':
    case 'release':
    case 'return':
    case 'expire':
      followHolds(desk, command)
      break
    case 'transfer':
    case 'transfer-receive':
    case 'transfer-cancel':
      followJourneys(desk, command)
      break
    default:
      throw new Error(`the clerk does not know ${command.kind}`)
  }
}

/** Each command on a copy: of a refused one nothing is left. */
export function clerk(book: Notebook, commands: readonly StockCommand[], now: number) {
  let current = book
  const short: string[] = []
  const outcomes = commands.map(command => {
    const copy = structuredClone(current)
    try {
      const desk = new Desk(copy, now)
      follow(desk, command)
      short.push(...desk.short)
      current = copy
      return { moves: desk.moves }
    } catch (error) {
      if (!(error instanceof No)) throw error
      if (error.code === 'insufficient_stock') short.push(...error.short)
      return { code: error.code }
    }
  })
  return { book: current, outcomes, short }
}
