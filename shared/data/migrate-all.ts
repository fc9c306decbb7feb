import { z } from 'zod'
import { secret, setting } from '../config.ts'
import { liveConfig } from '../config-live.ts'
import { databases } from '../function/resources.ts'
import { platformConfig } from '../function/start.ts'
import { createLog } from '../telemetry/log.ts'
import { migrate } from './migrate.ts'

const urlOf = (name: string) => `${name.toUpperCase()}_DATABASE_URL`

const config = z.object({
  LOG_LEVEL: platformConfig.shape.LOG_LEVEL,
  ...Object.fromEntries(databases.map(name => [urlOf(name), secret(setting.url())])),
})

/** `node main.ts migrate`: every database to the newest migration that this build brings. Safe to repeat, and beside another one. */
export async function migrateAll(env: NodeJS.ProcessEnv): Promise<void> {
  const folder = env.CONFIG_FOLDER || platformConfig.shape.CONFIG_FOLDER.parse(undefined)
  const settings = liveConfig(config, env, folder).config as Record<string, string>
  const log = createLog({ service: 'migrate', level: settings.LOG_LEVEL as 'info' })
  const failed: string[] = []
  for (const database of databases) {
    try {
      const applied = await migrate({ url: settings[urlOf(database)] as string, database })
      log.info({ database, applied }, applied.length > 0 ? 'migrated' : 'nothing to migrate')
    } catch (error) {
      failed.push(database)
      log.error({ database, cause: (error as Error).message }, 'the migration failed')
    }
  }
  if (failed.length > 0) throw new Error(`Not migrated: ${failed.join(', ')}.`)
}
