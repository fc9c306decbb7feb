import { GroupCommit, type Settled } from '../../shared/data/group-commit.ts'
import type { Database } from '../../shared/data/postgres.ts'
import { Rejected, Transient } from '../../shared/errors.ts'
import type { EventOf } from '../../shared/events/catalog.ts'
import { masked } from '../../shared/security/mask.ts'
import type { Seal } from '../../shared/security/seal.ts'
import type { Metrics } from '../../shared/telemetry/metrics.ts'
import { Breakers } from './breakers.ts'
import { AddressGone, type Channel, type ChannelName, channelNames, type Message } from './channels/channel.ts'
import { channelsOf } from './channels/channels.ts'
import type { ChannelConfig } from './channels/settings.ts'
import { readSecrets, validSecrets } from './channels/webhook-signature.ts'
import { type Claim, type Claimed, claimRows, parkRow, type Settlement, settleRows } from './delivery-rows.ts'
import { giveUp } from './give-up.ts'
import type { Rates } from './rates.ts'
import { afterFailure, type Priority } from './retry-plan.ts'

/**
 * Milliseconds in which a process that has taken a message settles it. After them another takes it: then nobody knows whether the provider
 * has it, and one who is told twice is better off than one who is never told.
 */
const hold = 30_000
/** Milliseconds that a message waits in the process for its provider's rate, before it goes back to its row. */
const patience = 10_000
/** Milliseconds after which a row that waits is worth another delivery of its event. */
const soon = 20_000
/** Tries to write down what became of a message, and the milliseconds between them: forgotten, it would be sent again. */
const settleTries = 4
const settlePause = 400

type Queued = EventOf<'tidemark.notification.queued.v1' | 'tidemark.page.queued.v1'>

export interface Delivering {
  readonly database: Database
  readonly seal: Seal
  readonly config: ChannelConfig
  readonly metrics: Metrics
  readonly rates: Rates
  readonly lane: Priority
  readonly now: () => Date
  readonly newId: () => string
}

/** One way for both lanes: take the row, send within a deadline, write down what became of it. */
export class Delivery {
  readonly #deps: Delivering
  readonly #channels: (name: ChannelName) => Promise<Channel>
  readonly #breakers: Breakers
  readonly #claims: GroupCommit<string, Claim>
  readonly #settlements: GroupCommit<Settlement, undefined>
  readonly #outcomes
  readonly #delay

  constructor(deps: Delivering) {
    const { database, config, metrics, now, newId } = deps
    this.#deps = deps
    this.#channels = channelsOf(config)
    this.#breakers = new Breakers(() => config.BREAKER_PAUSE, metrics)
    // Events that come together share a statement: none costs one of its own.
    this.#claims = new GroupCommit(async ids => {
      const at = now()
      const claims = await claimRows(database.sql, ids, newId, at, new Date(at.getTime() + hold))
      return claims.map((answer): Settled<Claim> => ({ answer }))
    })
    this.#settlements = new GroupCommit(async settled => {
      await settleRows(database.sql, settled, newId, now())
      return settled.map(() => ({ answer: undefined }))
    })
    this.#outcomes = metrics.counter('tidemark_notifications_total', 'What became of tries to send.', ['channel', 'outcome'])
    this.#delay = metrics.histogram(
      'tidemark_notification_delay_seconds',
      'From a planned message to the provider that took it.',
      ['channel', 'lane'],
      [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800],
    )
  }

  /** Settles when the event has nothing more to do. Throws Transient when it should come again. */
  async deliver({ data: { notificationId: id, channel: named } }: Queued): Promise<void> {
    const { lane, rates, database, now } = this.#deps
    const channel = channelNames.find(name => name === named)
    if (!channel) throw new Rejected('invalid_input', `There is no channel ${named}.`)
    // Before the row is taken: what waits here is not yet in anybody's hands, and is cancelled without a race.
    if (!(await rates.take(channel, lane, patience))) {
      this.#outcomes.inc({ channel, outcome: 'rate_limited' })
      await parkRow(database.sql, id, new Date(now().getTime() + 5_000 + Math.random() * 25_000), now())
      return
    }
    const claim = await this.#claims.submit(id)
    if (claim.kind === 'claimed') return this.#send(claim)
    const { state, at } = claim
    const isComing = state === 'sending' || (state === 'queued' && (at?.getTime() ?? 0) - now().getTime() < soon)
    if (isComing) throw new Transient('unavailable', 'It is being sent, or is due in a moment.')
  }

  async #send(claimed: Claimed): Promise<void> {
    const { id, attempts, channel: name, severity, priority } = claimed
    const { now, lane } = this.#deps
    const channel = await this.#channels(name)
    let to = ''
    try {
      to = await this.#addressOf(claimed)
      const message = await this.#messageOf(claimed, to)
      const { providerId, delivered } = await this.#breakers.through(providerOf(name, to), () =>
        channel.send(message, this.#deps.config.SEND_DEADLINE),
      )
      this.#outcomes.inc({ channel: name, outcome: 'sent' })
      this.#delay.observe({ channel: name, lane }, (now().getTime() - claimed.createdAt.getTime()) / 1_000)
      const state = delivered ? 'delivered' : 'sent'
      await this.#settle({
        id,
        attempts,
        state,
        providerId,
        error: null,
        at: null,
        final: delivered === true || !channel.confirms,
      })
    } catch (error) {
      const failure = { error, attempts, severity, priority, confirms: channel.confirms }
      const next = afterFailure(failure, now(), Math.random())
      // What a provider says may repeat the address: it is personal, and stays out of rows, answers and logs.
      const reason = withoutAddress(next.kind === 'never' ? next.reason : (error as Error).message, to)
      this.#outcomes.inc({ channel: name, outcome: next.kind === 'never' ? 'failed' : 'again' })
      if (next.kind === 'never') return this.#giveUp(claimed, error, reason)
      await this.#settle({ id, attempts, state: 'queued', providerId: null, error: reason, at: next.at, final: false })
      if (next.kind === 'soon') throw new Transient('upstream_failed', reason, { cause: (error as Error).cause })
    }
  }

  /** Throws Rejected when the contact is no longer to be used. */
  async #addressOf({ address, contactIsGone, disabledReason }: Claimed): Promise<string> {
    if (contactIsGone) throw new Rejected('not_found', 'The contact has been removed.')
    if (disabledReason !== null) throw new Rejected('invalid_input', `The contact is disabled: ${disabledReason}`)
    return this.#deps.seal.open(address)
  }

  async #messageOf(claimed: Claimed, to: string): Promise<Message> {
    const { id, about, severity, subject, body, html, payload, secrets, alertId, createdAt } = claimed
    const kept = secrets === null ? [] : readSecrets(await this.#deps.seal.open(secrets))
    const incident = (payload as { incident?: unknown } | null)?.incident
    return {
      ...{ notificationId: id, kind: about, severity, to, subject, html, payload, createdAt },
      text: body ?? subject,
      secrets: validSecrets(kept, this.#deps.now()),
      incident: typeof incident === 'string' ? incident : (alertId ?? id),
    }
  }

  #giveUp({ id, attempts, contactId }: Claimed, error: unknown, reason: string): Promise<void> {
    const { database, newId, now } = this.#deps
    const deadContact = error instanceof AddressGone ? contactId : null
    return insisting(() => giveUp(database, { id, attempts, reason, deadContact }, newId, now()))
  }

  #settle(settlement: Settlement): Promise<void> {
    return insisting(() => this.#settlements.submit(settlement))
  }

  /** Loads the SDKs of all configured channels: without it, the first message of each would wait for that. */
  async warm(): Promise<void> {
    for (const name of channelNames) await (await this.#channels(name)).warm?.()
  }

  close(): void {
    this.#breakers.close()
  }
}

/** The database may be away for the moment in which a message was sent: what is not written down now is sent again. */
async function insisting(write: () => Promise<unknown>): Promise<void> {
  for (let number = 1; ; number++) {
    try {
      await write()
      return
    } catch (error) {
      if (number === settleTries) throw error
      await new Promise(resolve => setTimeout(resolve, settlePause * number))
    }
  }
}

/** Who has a breaker of his own: each provider, and each receiver of webhooks. */
function providerOf(channel: ChannelName, to: string): string {
  return channel === 'webhook' ? `webhook:${URL.parse(to)?.host ?? ''}` : channel
}

const withoutAddress = (text: string, address: string): string =>
  (address === '' ? text : text.replaceAll(address, masked(address))).slice(0, 500)
