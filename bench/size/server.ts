import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { removeServicesData, startServices } from '../../local/services/start.ts'
import { migrate } from '../../shared/data/migrate.ts'
import { progress } from '../measure.ts'

export interface Server {
  /** An inventory database as empty as the migrations leave it. @returns its URL */
  database(name: string): Promise<string>
  close(): Promise<void>
}

/**
 * A Postgres of the bench's own, with the settings of the local system; nothing of it stays.
 * @param settings instead of the local ones
 */
export async function openServer(settings: Record<string, string> = {}): Promise<Server> {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-bench-'))
  const closing: (() => Promise<unknown>)[] = [() => removeServicesData(folder)]
  const close = async () => {
    for (const end of closing.splice(0).reverse()) await end()
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void close().finally(() => process.exit(130)))
  try {
    const running = await startServices({
      dataDir: folder,
      only: ['postgres'],
      ports: 'free',
      postgresSettings: settings,
      say: progress,
    })
    closing.push(() => running.stop())
    return {
      async database(name) {
        const sql = postgres(`${running.urls.postgres}/postgres`, { max: 1, onnotice: () => {} })
        await sql.unsafe(`create database ${name}`).finally(() => sql.end())
        const url = `${running.urls.postgres}/${name}`
        await migrate({ url, database: 'inventory' })
        return url
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}
