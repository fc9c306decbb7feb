import { exchange } from '../shared/function/exchange.ts'
import type { Client } from './issuer.ts'
import type { System } from './system.ts'

interface Alert {
  id: string
  sku: string
  location: string
  state: string
  severity: string
  threshold: number
  available: number
  raisedAt: string
}

interface Level {
  sku: string
  location: string
  onHand: number
  reserved: number
  available: number
}

interface Mail {
  subject: string
  body: string
  source: string
  destinations: { ToAddresses: string[] }
}

/** Shows stock, the newest low-stock alert that was told and the mail that it caused, as a user would ask for them. */
export async function show(system: System, client: Client): Promise<void> {
  const token = await tokenFor(system.tokenUrl, client)
  const get = async <T>(path: string): Promise<T> => {
    const headers = { authorization: `Bearer ${token}` }
    const answer = await exchange({ url: system.gatewayUrl + path, method: 'GET', headers, timeout: 15_000 })
    if (answer.status !== 200) throw new Error(`GET ${path} answered ${answer.status}: ${answer.body}`)
    return JSON.parse(answer.body.toString()) as T
  }

  const { items: levels } = await get<{ items: Level[] }>('/v1/stock?limit=5')
  console.log('\nStock   GET /v1/stock?limit=5')
  console.log(
    `  ${'SKU'.padEnd(10)} ${'location'.padEnd(9)} ${'on hand'.padStart(8)} ${'reserved'.padStart(9)} ${'available'.padStart(10)}`,
  )
  for (const { sku, location, onHand, reserved, available } of levels) {
    console.log(
      `  ${sku.padEnd(10)} ${location.padEnd(9)} ${String(onHand).padStart(8)} ${String(reserved).padStart(9)} ${String(available).padStart(10)}`,
    )
  }

  const { items: alerts } = await get<{ items: Alert[] }>('/v1/alerts?limit=50')
  const mails = await mailsOf(system.services.ses)
  // The newest that was told: the stock of others had recovered before.
  const told = alerts.map(alert => ({ alert, mail: mails.findLast(({ body }) => body.includes(alert.id)) }))
  const { alert, mail } = told.find(one => one.mail) ?? told[0] ?? {}
  if (alert) {
    console.log(`\nAlert   GET /v1/alerts/${alert.id}`)
    console.log(
      `  ${alert.sku} at ${alert.location}: ${alert.available} available, threshold ${alert.threshold} (${alert.severity}, now ${alert.state}, raised ${alert.raisedAt})`,
    )
    if (mail) {
      console.log(`\nMail    from ${mail.source} to ${mail.destinations.ToAddresses.join(', ')}`)
      // The mail server keeps the HTML part alone; the text that went with it is read where it was made.
      const { items } = await get<{ items: { id: string }[] }>(`/v1/notifications?alertId=${alert.id}&channel=email`)
      const { text } = await get<{ text: string | null }>(`/v1/notifications/${items[0]?.id}`)
      console.log(`  Subject: ${mail.subject}\n\n${(text ?? '').trim().replace(/^/gm, '  ')}`)
    }
  }
  console.log(`
  API        ${system.gatewayUrl}/v1
  reference  ${system.gatewayUrl}/docs
  tokens     curl -u ${client.id}:${client.secret} -d grant_type=client_credentials ${system.tokenUrl}
  mails      ${system.services.ses}/moto-api/data.json (all that was sent, under ses.Message)`)
}

async function tokenFor(tokenUrl: string, { id, secret }: Client): Promise<string> {
  const answer = await exchange({
    url: tokenUrl,
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: 'grant_type=client_credentials',
    timeout: 5_000,
  })
  return (JSON.parse(answer.body.toString()) as { access_token: string }).access_token
}

async function mailsOf(sesUrl: string): Promise<Mail[]> {
  const answer = await exchange({ url: `${sesUrl}/moto-api/data.json`, method: 'GET', timeout: 10_000 })
  const { ses } = JSON.parse(answer.body.toString()) as { ses?: { Message?: Mail[] } }
  return ses?.Message ?? []
}
