import { parseArgs } from 'node:util'
import { z } from 'zod'

export type ReplayOptions = {
  readonly file: string
  readonly url: string
  /** The Host header, where the address is an ingress that many hosts share. */
  readonly host?: string
  readonly tokenUrl: string
  readonly clientId: string
  readonly clientSecret: string
  /** Part of every idempotency key: the same name replays the first answers. */
  readonly run: string
  readonly concurrency: number
  /** Days, ms at midnight; both included. */
  readonly from?: number
  readonly to?: number
  /** The first so many invoices of those days. */
  readonly limit?: number
  /** How long one call is tried again, ms. */
  readonly patienceMs: number
  /** How long one try may take, ms. */
  readonly deadlineMs: number
  /** How long to wait for orders and events after the last step, ms. */
  readonly settleMs: number
  /** Where the state before each run is kept, so that the run can be resumed. */
  readonly runsDirectory: string
}

export type CommandLine =
  | { readonly help: true }
  | { readonly help: false; readonly json: boolean; readonly options: ReplayOptions }

/** A flag or variable that is missing or wrong; the text names it. */
export class UsageError extends Error {}

export const USAGE = `Usage: node replay/main.ts FILE.csv[.gz] [flags]

Sends a retailer's transactions to Tidemark's public API in time order, then proves that the stock adds up.
Try it with the generated sample: node replay/main.ts replay/sample.csv

  --from DATE, --to DATE  only these days, both included (YYYY-MM-DD)
  --limit N               only the first N invoices
  --concurrency N         calls under way at a time (default 16)
  --run NAME              resume the run of this name: what was done is not done again
  --patience SECONDS      how long to retry a call that gets no answer (default 120)
  --url URL               Tidemark's address (or TIDEMARK_URL; default http://127.0.0.1:8080)
  --host NAME             the Host header, when URL is an ingress that knows Tidemark by its name
  --json                  progress to stderr; the last line of stdout is one JSON object
  --help

Environment: TIDEMARK_TOKEN_URL (default: /oauth/token at the same address), TIDEMARK_CLIENT_ID (default retailer), TIDEMARK_CLIENT_SECRET.
Exit codes: 0 all invariants hold, 1 one does not, 2 wrong usage, 3 the system cannot be reached.`

const count = z
  .string()
  .regex(/^[1-9]\d{0,8}$/, 'must be a whole number above 0')
  .transform(Number)
const day = z.iso.date('must be a date like 2011-01-31').transform(text => Date.parse(`${text}T00:00:00Z`))
const address = z.url({ protocol: /^https?$/, error: 'must be an http(s) URL' })
const schema = z.object({
  '--url': address,
  '--host': z
    .string()
    .regex(/^[a-z0-9.-]+(:\d+)?$/i, 'must be a host name')
    .optional(),
  TIDEMARK_TOKEN_URL: address,
  TIDEMARK_CLIENT_ID: z.string().min(1, 'must not be empty'),
  TIDEMARK_CLIENT_SECRET: z.string().min(1, 'must not be empty'),
  '--run': z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'must be 1 to 64 letters, digits, dots, dashes or underscores'),
  '--concurrency': count.refine(n => n <= 1000, 'must be at most 1000'),
  '--patience': count,
  '--from': day.optional(),
  '--to': day.optional(),
  '--limit': count.optional(),
})

export function readCommandLine(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  now: number,
): CommandLine {
  const { values, positionals } = split(args)
  if (values.help) return { help: true }
  const [file, ...more] = positionals
  if (file === undefined) throw new UsageError('FILE is missing')
  if (more.length > 0) throw new UsageError(`one FILE only, not also ${more.join(' ')}`)
  const read = schema.safeParse({
    '--url': values.url ?? env.TIDEMARK_URL ?? 'http://127.0.0.1:8080',
    '--host': values.host,
    TIDEMARK_TOKEN_URL: env.TIDEMARK_TOKEN_URL ?? `${values.url ?? env.TIDEMARK_URL ?? 'http://127.0.0.1:8080'}/oauth/token`,
    TIDEMARK_CLIENT_ID: env.TIDEMARK_CLIENT_ID ?? 'retailer',
    TIDEMARK_CLIENT_SECRET: env.TIDEMARK_CLIENT_SECRET ?? 'retailer-development-secret',
    '--run': values.run ?? runName(now),
    '--concurrency': values.concurrency ?? '16',
    '--patience': values.patience ?? '120',
    '--from': values.from,
    '--to': values.to,
    '--limit': values.limit,
  })
  if (!read.success) throw new UsageError(read.error.issues.map(issue => `${issue.path.join('.')} ${issue.message}`).join('; '))
  const { '--from': from, '--to': to, '--limit': limit, '--host': host, ...rest } = read.data
  if (from !== undefined && to !== undefined && from > to) throw new UsageError('--from is after --to')
  return {
    help: false,
    json: values.json ?? false,
    options: {
      file,
      url: rest['--url'],
      ...(host === undefined ? {} : { host }),
      tokenUrl: rest.TIDEMARK_TOKEN_URL,
      clientId: rest.TIDEMARK_CLIENT_ID,
      clientSecret: rest.TIDEMARK_CLIENT_SECRET,
      run: rest['--run'],
      concurrency: rest['--concurrency'],
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
      ...(limit === undefined ? {} : { limit }),
      patienceMs: rest['--patience'] * 1000,
      deadlineMs: 10_000,
      settleMs: 600_000,
      runsDirectory: '.tidemark/replay',
    },
  }
}

function split(args: readonly string[]) {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        ...{ from: text, to: text, limit: text, concurrency: text, run: text, patience: text, url: text, host: text },
        ...{ json: flag, help: { ...flag, short: 'h' } },
      },
    })
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

/** `replay-20260131T101502123`: sorts by time, and two runs of one second differ. */
function runName(now: number): string {
  return `replay-${new Date(now).toISOString().replace(/[-:.Z]/g, '')}`
}
