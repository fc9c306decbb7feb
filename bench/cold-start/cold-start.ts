import { join } from 'node:path'
import { functions } from '../../functions/index.ts'
import type { TidemarkFunction } from '../../shared/function/declare.ts'
import { alternate, compared, line, progress, type Result } from '../measure.ts'
import { openStage, type Stage } from '../stage.ts'
import { firstAnswer, type Question } from './first-answer.ts'

const starts = 9
const atMost = 2
const readiness: Question = { method: 'GET', path: '/health/readiness', status: 200 }
const nobody = '00000000-0000-4000-8000-000000000000'

/** A first request that needs no other function: the database is asked and the answer is known. */
const firstRequests: Readonly<Record<string, Omit<Question, 'headers'>>> = {
  'orders-read': { method: 'GET', path: '/v1/orders/summary', status: 200 },
  'orders-cancel': { method: 'POST', path: `/v1/orders/${nobody}/cancel`, body: '{}', status: 404 },
  'alerts-read': { method: 'GET', path: '/v1/alerts', status: 200 },
  'alerts-set-thresholds': {
    method: 'PUT',
    path: '/v1/thresholds',
    body: '{"thresholds":[{"sku":"A","level":1}]}',
    status: 200,
  },
  'notifications-read': { method: 'GET', path: '/v1/notifications', status: 200 },
}

/** Every function that scales to zero, from process start to its first answer, against a bare node:http process. */
export async function coldStart(): Promise<readonly Result[]> {
  const stage = await openStage(['postgres', 'redis', 'kafka', 'registry'])
  try {
    const token = await stage.token()
    const results: Result[] = []
    const measure = async (name: string, fn: TidemarkFunction, question: Question) => {
      const sides = { [name]: () => start(stage, fn, question), bare: () => bare(stage) }
      // Once uncounted: what a process reads is in the page cache then, as it is on a node that has run the image before.
      for (const side of Object.values(sides)) await side()
      const rounds = await alternate(starts, sides, () => {})
      results.push(compared(`cold start ${name}`, 'ms', rounds, name, 'bare', { atMost }))
      progress(`  ${line(results.at(-1) as Result)}`)
    }
    for (const load of Object.values(functions)) {
      const fn = await load()
      if (fn.scale.min > 0) continue
      await measure(fn.name, fn, readiness)
      const first = firstRequests[fn.name]
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      if (first) await measure(`${fn.name}, first request`, fn, { ...first, headers })
    }
    return results
  } finally {
    await stage.close()
  }
}

const bare = (stage: Stage) =>
  firstAnswer({
    command: [process.execPath, join(import.meta.dirname, 'bare-http.mjs')],
    env: {},
    logFile: join(stage.folder, 'log', 'bare-http.log'),
    question: readiness,
  })

const start = (stage: Stage, fn: TidemarkFunction, question: Question) =>
  firstAnswer({
    command: [process.execPath, stage.entry, fn.name],
    env: stage.environment(fn),
    logFile: join(stage.folder, 'log', `${fn.name}.log`),
    question,
  })
