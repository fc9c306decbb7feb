import { z } from 'zod'
import { parseConfig, secret } from '../../shared/config.ts'
import { prepare } from '../prepare.ts'
import type { Program } from './main.ts'

const config = z.object({
  TIDEMARK_POSTGRES_URL: secret(z.url()),
  TIDEMARK_KAFKA_BROKERS: z.string().min(1),
  TIDEMARK_SES_URL: z.url(),
})

/** Databases, topics and the mail's sender. Migrations are the deployment's own job, which comes after this one. */
export const run: Program = async (env, say) => {
  const { TIDEMARK_POSTGRES_URL: postgres, TIDEMARK_KAFKA_BROKERS: kafka, TIDEMARK_SES_URL: ses } = parseConfig(config, env)
  await prepare({ postgres, kafka, ses }, say, { migrating: false })
  say('prepared')
  return undefined
}
