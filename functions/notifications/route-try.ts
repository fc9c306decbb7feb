import { z } from 'zod'
import { Count, Id, Location, Sku, Timestamp } from '../../shared/fields.ts'
import { channels, isUrgent, type Severity, severities } from './alert-facts.ts'
import { channelsOf, fallbacksOf, isMeant, isWanted, type Person, preferenceOf, wayOf } from './audience.ts'
import { shownAddress } from './contact-address.ts'
import { laneOf, paceOf } from './grouping.ts'
import { reading } from './people-operation.ts'
import { loadPeople } from './people-rows.ts'
import { standardPerson, standardRoute } from './planning.ts'
import { loadRoutes } from './route-rows.ts'
import { type Route, routesOf } from './routing.ts'
import { wordsOperation } from './words-operation.ts'

const Told = z.object({
  recipient: Id.nullable().meta({ description: 'Null: NOTIFY_TO.' }),
  channel: z.enum(channels),
  contacts: z.array(z.string()).meta({ description: 'Masked.' }),
  when: z.enum(['now', 'held', 'digest', 'not']).meta({
    description: 'At once (after the wait of its group), when quiet hours are over, with the digest, or not at all.',
  }),
  at: Timestamp.nullable().meta({ description: 'Of what is held or in a digest.' }),
  why: z.string().nullable(),
  fallback: z.array(z.enum(channels)).meta({ description: 'Tried when it is not delivered in time.' }),
})

export const tryRoutes = wordsOperation({
  id: 'notification-routes-try',
  route: 'POST /v1/notifications/routes/try',
  summary: 'Ask who would be told about an alert',
  description: 'By which route, by which channels, when. Nothing is sent. Doing it again changes nothing.',
  allow: reading,
  example: { sku: '85123A', location: 'zurich', severity: 'critical' },
  input: z.strictObject({
    sku: Sku,
    location: Location,
    severity: z.enum(severities),
    category: z.string().min(1).max(100).nullable().default(null),
    rule: z.string().min(1).max(50).default('absolute'),
    at: Timestamp.optional().meta({ description: 'When it is raised; now, unless it is said.' }),
  }),
  output: z
    .object({
      routes: z.array(
        z.object({
          id: Id.nullable().meta({ description: 'Null: the default route.' }),
          name: z.string(),
          groupBy: z.array(z.string()),
          waitSeconds: Count,
          intervalSeconds: Count,
          told: z.array(Told),
        }),
      ),
    })
    .meta({ id: 'RouteTrial' }),
  async handle({ db, seal, now, config }, { at, ...alert }) {
    const { sql } = db.notifications
    const instant = at === undefined ? now() : new Date(at)
    const standard = standardRoute(config)
    const routes = routesOf(await loadRoutes(sql), standard, alert)
    const people = await loadPeople(
      sql,
      routes.flatMap(({ receivers }) => receivers),
    )
    const keeper = await standardPerson(seal, config)
    const tried = routes.map(async route => {
      const meant = people.filter(person => isMeant(person, route.receivers))
      const reached = meant.some(({ contacts }) => contacts.length > 0)
      const told = (reached ? meant : [keeper]).flatMap(person =>
        waysOf(person, reached ? route : standard, alert.severity, instant),
      )
      const { wait, interval } = paceOf(route, laneOf(alert))
      return {
        ...{ id: route.id, name: route.name, groupBy: [...route.groupBy], waitSeconds: wait, intervalSeconds: interval },
        told: await Promise.all(
          told.map(async ({ addresses, ...one }) => ({
            ...one,
            contacts: await Promise.all(addresses.map(async address => shownAddress(one.channel, await seal.open(address)))),
          })),
        ),
      }
    })
    return { routes: await Promise.all(tried) }
  },
})

type Tried = Omit<z.output<typeof Told>, 'contacts'> & { readonly addresses: readonly string[] }

function waysOf(person: Person, route: Route, severity: Severity, now: Date): Tried[] {
  const used = channelsOf(person, route.channels)
  const asked = channels.filter(channel => route.channels.length === 0 || route.channels.includes(channel))
  return asked.flatMap((channel): Tried[] => {
    const contacts = person.contacts.filter(contact => contact.channel === channel)
    if (contacts.length === 0) return []
    const common = { recipient: person.id, channel, addresses: contacts.map(({ address }) => address) }
    const not = (why: string): Tried[] => [{ ...common, when: 'not', at: null, why, fallback: [] }]
    if (preferenceOf(person, channel).optedOut) return not('opted out of this channel')
    if (!isWanted(person, channel, severity)) return not(`wants ${preferenceOf(person, channel).minimumSeverity} or worse here`)
    const way = wayOf(person, channel, isUrgent(severity), now)
    const isFirst = channel === used[0] && isUrgent(severity) && person.id !== null
    const fallback = isFirst ? fallbacksOf(person, used) : []
    if (way.kind === 'now') return [{ ...common, when: way.kind, at: null, why: null, fallback }]
    const [time, why] = way.kind === 'held' ? [way.until, 'quiet hours'] : [way.dueAt, 'wants a digest of this channel']
    return [{ ...common, when: way.kind, at: time.toISOString(), why, fallback }]
  })
}
