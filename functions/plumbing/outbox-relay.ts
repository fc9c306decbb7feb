import { z } from 'zod'
import { atStart, setting } from '../../shared/config.ts'
import { relay } from '../../shared/events/relay.ts'
import { service } from '../../shared/function/declare.ts'
import { databases } from '../../shared/function/resources.ts'

/** Sends the outbox of every database to Kafka. Pinned warm: an event must not wait for a process to start. */
export const outboxRelay = service({
  name: 'outbox-relay',
  summary: 'Send what transactions made true to Kafka',
  uses: ['db:inventory', 'db:orders', 'db:payments', 'db:alerts', 'db:notifications', 'kafka', 'registry'],
  config: z.object({ DATABASE_POOL: atStart(setting.count(2)), RELAY_BATCH: atStart(setting.count(1_000)) }),
  // The second instance stands by for the locks of the first.
  scale: { min: 1, max: 2 },
  run({ db, kafka, events, metrics, log, config, now }, signal) {
    const sent = metrics.counter('tidemark_relay_events_total', 'Events sent to Kafka.', ['database'])
    const lag = metrics.gauge('tidemark_relay_lag_seconds', 'Age of the oldest event when it was sent.', ['database'])
    const setAside = metrics.counter('tidemark_relay_set_aside_total', 'Rows that could not be encoded.', ['database'])
    const failures = metrics.counter('tidemark_relay_failures_total', 'Rounds that failed and were begun again.', ['database'])
    const active = metrics.gauge('tidemark_relay_active', 'Whether this instance sends for a database.', ['database'])
    const relays = databases.map(name =>
      relay(
        {
          name,
          database: db[name],
          kafka,
          codec: events,
          batch: config.RELAY_BATCH,
          metrics: {
            sent(count, oldest) {
              sent.inc({ database: name }, count)
              lag.set({ database: name }, (now().getTime() - oldest.getTime()) / 1_000)
            },
            setAside() {
              setAside.inc({ database: name })
              log.error({ database: name }, 'an event could not be encoded and was set aside')
            },
            failed(error) {
              failures.inc({ database: name })
              log.warn({ database: name, cause: (error as Error).message }, 'a round failed and is begun again')
            },
            active: is => active.set({ database: name }, is ? 1 : 0),
          },
        },
        signal,
      ),
    )
    return Promise.all(relays).then(() => {})
  },
})
