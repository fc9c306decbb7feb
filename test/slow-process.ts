import { z } from 'zod'
import { service } from '../shared/function/declare.ts'
import { operation } from '../shared/function/operation.ts'
import { start } from '../shared/function/start.ts'

/** A process as `main.ts` makes it, of a function that takes its time; for tests of draining and of the log. */
const slow = service({
  name: 'slow',
  summary: 'Takes its time',
  uses: [],
  setup: ({ log }) => ({ note: (fields: object) => log.info(fields, 'noted') }),
  operations: [
    operation<{ note(fields: object): void }>()({
      id: 'wait',
      route: 'POST /v1/waits',
      summary: 'Wait',
      allow: ['stock:write'],
      input: z.strictObject({ ms: z.number() }),
      output: z.unknown(),
      async handle(_deps, { ms }) {
        await new Promise(resolve => setTimeout(resolve, ms))
        return { waited: ms }
      },
    }),
    operation<{ note(fields: object): void }>()({
      id: 'note',
      route: 'POST /v1/notes',
      summary: 'Note',
      allow: ['stock:write'],
      input: z.looseObject({}),
      output: z.unknown(),
      async handle({ note }, fields) {
        note(fields)
        throw new Error('with a cause', { cause: new Error('the root') })
      },
    }),
  ],
})

const running = await start(slow, process.env)
process.once('SIGTERM', async () => {
  await running.stop()
  process.exit(0)
})
