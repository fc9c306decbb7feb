import { parseArgs } from 'node:util'
import { restoreBackup, servicesFolder } from './restore.ts'

try {
  const { values } = parseArgs({
    options: {
      from: { type: 'string' },
      to: { type: 'string', default: 'latest' },
      data: { type: 'string', default: '.tidemark' },
      archive: { type: 'string' },
      force: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(`npm run restore -- --from BACKUP [--to TIME|latest] [--data DIR] [--archive DIR] [--force]
Restores the local Postgres from a backup and the WAL that was archived since, while the services are stopped.
  --from BACKUP  a folder that npm run backup made
  --to TIME      the state at that moment, 2026-11-22T10:15:00Z; latest, all there is in the archive, is the default
  --data DIR     what npm run dev is given; .tidemark
  --archive DIR  where the WAL is, when it is no longer where the backed up server kept it
  --force        moves a cluster that is there aside; without it the folder must be empty of one`)
    process.exit(0)
  }
  if (!values.from) throw new Error('--from BACKUP is missing; --help explains')
  await restoreBackup({
    from: values.from,
    to: values.to === 'latest' ? 'latest' : moment(values.to),
    dataDir: servicesFolder(values.data),
    archive: values.archive,
    force: values.force,
    say: line => console.log(line),
  })
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}

function moment(text: string): Date {
  const found = new Date(text)
  if (!/^\d{4}-\d{2}-\d{2}T.*(Z|[+-]\d{2}:\d{2})$/.test(text) || Number.isNaN(found.getTime())) {
    throw new Error(`--to ${text}: a time with its zone, 2026-11-22T10:15:00Z, or latest`)
  }
  return found
}
