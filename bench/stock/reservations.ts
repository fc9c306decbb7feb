import { join } from 'node:path'
import { functions } from '../../functions/index.ts'
import { databaseUrl } from '../../local/settings.ts'
import type { TidemarkFunction } from '../../shared/function/declare.ts'
import type { LoadResult } from '../load/generator.ts'
import { type Loader, startLoader } from '../load/loader.ts'
import type { RequestShape } from '../load/template.ts'
import type { Process, Stage } from '../stage.ts'
import { type Clients, openClients } from './clients.ts'
import { openTables, type Tables } from './tables.ts'

export const skus = 10_000
export const connections = 64
export const linesOfReceipt = 100

const line = '{"sku":"SKU-{sku}","quantity":1}'

/** What the stock bench drives. */
export interface Bench {
  readonly tables: Tables
  readonly clients: Clients
  /** `pgbench`, or what stands in for it. */
  readonly clientsName: string
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
  const [grouped, single, empty, loader] = await Promise.all([
    stage.start('inventory'),
    stage.start('inventory', { extra: { STOCK_WRITERS: '16', STOCK_MAX_BATCH: '1', DATABASE_POOL: '16' } }),
    stage.startProgram('empty', [process.execPath, emptyFunction], stage.environment(inventory)),
    startLoader(),
  ])
  const request = (path: string, body: string) => send(stage, loader, path, body)
  return {
    tables,
    clients,
    clientsName,
    grouped,
    single,
    empty,
    reserve: request('/v1/reservations', `{"lines":[${line}]}`),
    receive: request('/v1/stock/receipts', `{"lines":[${Array.from({ length: linesOfReceipt }, () => line).join(',')}]}`),
    async close() {
      loader.close()
      await tables.close()
    },
  }
}

function send(stage: Stage, loader: Loader, path: string, body: string) {
  return async (to: Process, load: { skus?: number; seconds: number; warmUp: number; rate?: number }): Promise<LoadResult> => {
    const headers = {
      authorization: `Bearer ${await stage.token()}`,
      'content-type': 'application/json',
      'idempotency-key': 'bench-{key}',
    }
    const request: RequestShape = { method: 'POST', path, headers, body }
    return loader.run({ skus, ...load, port: to.port, request, status: 201, connections })
  }
}
