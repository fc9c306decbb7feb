import { join } from 'node:path'
import { functions } from '../../functions/index.ts'
import { databaseUrl } from '../../local/settings.ts'
import type { TidemarkFunction } from '../../shared/function/declare.ts'
import type { LoadResult } from '../load/generator.ts'
import { type Loader, startLoader } from '../load/loader.ts'
import type { RequestShape } from '../load/template.ts'
import type { Process, Stage } from '../stage.ts'
import { type Clients, openClients } from './clients.ts'
import { type Engine, openEngine } from './engine.ts'
import { openTables, type Tables } from './tables.ts'

export const skus = 10_000
export const connections = 64
export const linesOfReceipt = 100
/** As many as the clients that receipts are compared with: with four times as many the function has more lines waiting than it lets wait. */
export const connectionsOfReceipts = 16

const line = '{"sku":"SKU-{sku}","quantity":1}'
const manyLines = `{"lines":[${Array.from({ length: linesOfReceipt }, () => line).join(',')}]}`

/** What the stock bench drives. */
export interface Bench {
  readonly tables: Tables
  readonly clients: Clients
  /** `pgbench`, or what stands in for it. */
  readonly clientsName: string
  /** What the inventory function does, without HTTP. */
  readonly engine: Engine
  /** The inventory function as it is configured by itself. */
  readonly grouped: Process
  /** The same with one transaction a request. */
  readonly single: Process
  /** The same host with a handler that returns at once. */
  readonly empty: Process
  reserve(to: Process, load: { skus?: number; seconds: number; warmUp: number; rate?: number }): Promise<LoadResult>
  receive(to: Process, load: { seconds: number; warmUp: number }): Promise<LoadResult>
  close(): Promise<void>
}

export async function openBench(stage: Stage): Promise<Bench> {
  const url = databaseUrl(stage.urls.postgres, 'inventory')
  const tables = openTables(url, skus)
  const { name: clientsName, clients } = await openClients(url, await tables.uuid(), stage.folder)
  const inventory = (await functions.inventory?.()) as TidemarkFunction
  const emptyFunction = join(import.meta.dirname, 'empty-function.ts')
  const [grouped, single, empty, loader, engine] = await Promise.all([
    stage.start('inventory'),
    stage.start('inventory', {
      extra: { STOCK_WRITERS: '16', STOCK_MAX_BATCH: '1', STOCK_MAX_DELAY: '5000', DATABASE_POOL: '16' },
    }),
    stage.startProgram('empty', [process.execPath, emptyFunction], stage.environment(inventory)),
    startLoader(),
    openEngine(url),
  ])
  const request = (path: string, body: string, some = connections) => send(stage, loader, path, body, some)
  return {
    tables,
    clients,
    clientsName,
    engine,
    grouped,
    single,
    empty,
    reserve: request('/v1/reservations', `{"lines":[${line}]}`),
    receive: request('/v1/stock/receipts', manyLines, connectionsOfReceipts),
    async close() {
      loader.close()
      engine.close()
      await tables.close()
    },
  }
}

/** A request for one unit of one SKU. */
export const reservation = (stage: Stage): Promise<RequestShape> => post(stage, '/v1/reservations', `{"lines":[${line}]}`)

export const receipt = (stage: Stage): Promise<RequestShape> => post(stage, '/v1/stock/receipts', manyLines)

async function post(stage: Stage, path: string, body: string): Promise<RequestShape> {
  const headers = {
    authorization: `Bearer ${await stage.token()}`,
    'content-type': 'application/json',
    'idempotency-key': 'bench-{key}',
  }
  return { method: 'POST', path, headers, body }
}

function send(stage: Stage, loader: Loader, path: string, body: string, connections: number) {
  return async (to: Process, load: { skus?: number; seconds: number; warmUp: number; rate?: number }): Promise<LoadResult> => {
    const request = await post(stage, path, body)
    return loader.run({ skus, ...load, port: to.port, request, status: 201, connections })
  }
}
