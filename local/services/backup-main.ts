import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { takeBackup } from './backup.ts'
import { servicesFolder } from './restore.ts'

try {
  const { values } = parseArgs({
    options: {
      data: { type: 'string', default: '.tidemark' },
      out: { type: 'string' },
      keep: { type: 'string', default: '3' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(`npm run backup -- [--data DIR] [--out DIR] [--keep N]
Takes a base backup of the local Postgres while it runs, and from the first one on keeps its WAL, so that any later moment can be restored.
  --data DIR  what npm run dev was given; .tidemark
  --out DIR   where backups are kept, one folder each; DATA/backups
  --keep N    deletes older backups of this data in --out, and the WAL that only they need; 3`)
    process.exit(0)
  }
  const keep = Number(values.keep)
  if (!Number.isInteger(keep) || keep < 1) throw new Error(`--keep ${values.keep}: a whole number, 1 or more`)
  const data = resolve(values.data)
  await takeBackup({
    dataDir: servicesFolder(data),
    out: values.out ?? join(data, 'backups'),
    keep,
    say: line => console.log(line),
  })
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
