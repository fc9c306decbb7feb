import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'

export interface SmokeOptions {
  /** The gateway's address, from outside. */
  gateway: string
  /** The API that the deployed version serves. */
  openapi: unknown
  /** ID:SECRET of a client that may read; without it no function is called. */
  client?: string
  /** A new route takes a moment until every proxy knows it, and a function at zero takes seconds to answer. */
  patienceMs: number
  pauseMs: number
}

/** Asks a deployed gateway whether it is this version's and lets through whom it should. Rejects with the first thing that is still wrong at the end. */
export async function smoke({ gateway, openapi, client, patienceMs, pauseMs }: SmokeOptions): Promise<void> {
  const until = performance.now() + patienceMs
  const insist = async (check: () => Promise<void>) => {
    for (;;) {
      try {
        return await check()
      } catch (error) {
        if (performance.now() + pauseMs > until) throw error
        await sleep(pauseMs)
      }
    }
  }

  await insist(async () => {
    const served = await ask(new URL('/openapi.json', gateway), 200)
    if (!isDeepStrictEqual(await served.json(), openapi)) throw new Error('the gateway serves the API of another version')
  })
  const alerts = new URL('/v1/alerts', gateway)
  await insist(async () => {
    await ask(alerts, 401)
  })
  if (!client) return
  await insist(async () => {
    const authorization = `Basic ${Buffer.from(client).toString('base64')}`
    const body = new URLSearchParams({ grant_type: 'client_credentials' })
    const granted = await ask(new URL('/oauth/token', gateway), 200, { method: 'POST', headers: { authorization }, body })
    const { access_token } = (await granted.json()) as { access_token: string }
    await ask(alerts, 200, { headers: { authorization: `Bearer ${access_token}` } })
  })
}

async function ask(url: string | URL, expected: number, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(30_000) })
  if (response.status !== expected) throw new Error(`${url} answered ${response.status} instead of ${expected}`)
  return response
}

if (import.meta.main) {
  const { GATEWAY_URL: gateway, SMOKE_CLIENT: client } = process.env
  if (!gateway) throw new Error('GATEWAY_URL is the address of the gateway')
  const openapi = JSON.parse(await readFile(new URL('../../../openapi.json', import.meta.url), 'utf8'))
  await smoke({ gateway, openapi, ...(client && { client }), patienceMs: 120_000, pauseMs: 3_000 })
  console.log(
    client
      ? 'smoke: the new version answers, refuses strangers and serves a caller'
      : 'smoke: the new version answers and refuses strangers; SMOKE_CLIENT is not set, so no function was called',
  )
}
