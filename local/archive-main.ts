import { parseArgs } from 'node:util'
import { v7 as newId } from 'uuid'
import { z } from 'zod'
import { archive } from '../functions/inventory/archive.ts'
import { restoreArchive } from '../functions/inventory/archive-restore.ts'
import { parseConfig, setting } from '../shared/config.ts'
import { openDatabase } from '../shared/data/postgres.ts'

const config = z.object({
  INVENTORY_DATABASE_URL: setting.url(),
  /** Whole months of the ledger that stay, beside the present one; without it nothing is archived. */
  MOVEMENT_ARCHIVE_MONTHS: z.coerce.number().int().min(1).optional(),
  MOVEMENT_ARCHIVE_FOLDER: z.string().optional(),
})

try {
  const { values } = parseArgs({
    options: {
      months: { type: 'string' },
      to: { type: 'string' },
      restore: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(`npm run archive -- --months N --to DIR
npm run archive -- --restore MANIFEST
Moves old movements of the stock ledger out of the database that INVENTORY_DATABASE_URL names, a month at a time: exported, read back, its sums
carried into the proof of the totals, detached, dropped. Sales go on meanwhile. Interrupted, it goes on with the next run.
  --months N          whole months that stay, beside the present one; MOVEMENT_ARCHIVE_MONTHS. There is no default: nothing is archived unasked
  --to DIR            where MONTH.csv.gz and its manifest MONTH.json are put; MOVEMENT_ARCHIVE_FOLDER
  --restore MANIFEST  loads an archived month into a table of its own, archived.MONTH, to look at it again`)
    process.exit(0)
  }
  const settings = parseConfig(config, {
    ...process.env,
    ...(values.months !== undefined && { MOVEMENT_ARCHIVE_MONTHS: values.months }),
    ...(values.to !== undefined && { MOVEMENT_ARCHIVE_FOLDER: values.to }),
  })
  const say = (line: string) => console.log(line)
  const database = openDatabase({
    url: settings.INVENTORY_DATABASE_URL,
    pool: 2,
    service: 'archive',
    migrations: 'inventory',
  })
  try {
    await database.ready()
    if (values.restore) {
      await restoreArchive(database, values.restore, say)
    } else {
      const { MOVEMENT_ARCHIVE_MONTHS: keep, MOVEMENT_ARCHIVE_FOLDER: folder } = settings
      if (keep === undefined) throw new Error('--months N is missing: nothing is archived unasked; --help explains')
      if (folder === undefined) throw new Error('--to DIR is missing; --help explains')
      const { partitions, rows } = await archive({ database, folder, keep, now: () => new Date(), newId, say })
      say(`archive: done: ${partitions.length} parts, ${rows.toLocaleString('en-GB')} movements`)
    }
  } finally {
    await database.close()
  }
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
