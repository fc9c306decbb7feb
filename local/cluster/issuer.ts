import { readFileSync } from 'node:fs'
import type { JWK } from 'jose'
import { z } from 'zod'
import { functions } from '../../functions/index.ts'
import { parseConfig, secret, setting } from '../../shared/config.ts'
import { localClient, startIssuer } from '../issuer.ts'
import type { Program } from './main.ts'

const config = z.object({
  PORT: setting.port(8080),
  /** The private RSA key as JWK, or the file that holds it. */
  ISSUER_KEY: secret(z.string()).optional(),
  ISSUER_KEY_FILE: z.string().optional(),
  /** From it every function's client secret is derived. */
  CLIENT_MASTER_SECRET: secret(z.string()).optional(),
  CLIENT_MASTER_SECRET_FILE: z.string().optional(),
})

/** The development issuer, for the retailer and for every function. */
export const run: Program = async (env, say) => {
  const given = parseConfig(config, env)
  const masterSecret = textOf('CLIENT_MASTER_SECRET', given.CLIENT_MASTER_SECRET, given.CLIENT_MASTER_SECRET_FILE)
  const issuer = await startIssuer({
    host: '0.0.0.0',
    port: given.PORT,
    key: JSON.parse(textOf('ISSUER_KEY', given.ISSUER_KEY, given.ISSUER_KEY_FILE)) as JWK,
    client: localClient(functions, masterSecret),
  })
  say(`issuing tokens at port ${given.PORT}`)
  return { stop: () => issuer.close() }
}

function textOf(name: string, text: string | undefined, file: string | undefined): string {
  if (text) return text
  if (file) return readFileSync(file, 'utf8').trim()
  throw new Error(`Neither ${name} nor ${name}_FILE is set.`)
}
