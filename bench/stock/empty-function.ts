import { z } from 'zod'
import { reserve } from '../../functions/inventory/reserve.ts'
import { service } from '../../shared/function/declare.ts'
import { operation } from '../../shared/function/operation.ts'
import { start } from '../../shared/function/start.ts'

const expiresAt = new Date(0).toISOString()

/** The reservation's operation without what it does: the same host, token, schema, fingerprint and answer, and a handler that returns at once. */
const empty = service({
  name: 'empty',
  summary: 'Answers at once',
  uses: [],
  operations: [
    operation()({
      id: 'empty-reserve',
      route: reserve.route,
      summary: reserve.summary,
      allow: reserve.allow,
      idempotent: true,
      status: 201,
      input: reserve.input,
      output: z.unknown(),
      handle: async (_deps, { lines }) => ({
        id: '0198c0de-0000-7000-8000-000000000000',
        state: 'open',
        reference: null,
        expiresAt,
        lines,
      }),
    }),
  ],
})

const running = await start(empty, process.env)
process.once('SIGTERM', () => void running.stop().then(() => process.exit(0)))
