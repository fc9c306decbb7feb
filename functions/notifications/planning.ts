import type { Tx } from '../../shared/data/postgres.ts'
import type { Seal } from '../../shared/security/seal.ts'
import type { Person } from './audience.ts'
import { defaultRoute, type Receiver, type Route } from './routing.ts'
import { loadTemplates, type TemplateVersion } from './template-rows.ts'

/** What planning stands on beside the database. */
export interface Planning {
  readonly seal: Seal
  readonly newId: () => string
  readonly settings: () => PlanningSettings
  /** A saved template that failed with a real message. */
  readonly templateFailed: (template: TemplateVersion, error: Error) => void
  readonly planned: (kind: string, channel: string, way: 'now' | 'held' | 'digest') => void
}

export interface PlanningSettings {
  readonly NOTIFY_TO: string
  readonly NOTIFY_GROUP_WAIT: number
  readonly NOTIFY_GROUP_INTERVAL: number
  readonly DELIVER_WITHIN: number
  readonly MESSAGES_AN_HOUR: number
}

export type StandardSettings = Pick<PlanningSettings, 'NOTIFY_TO' | 'NOTIFY_GROUP_WAIT' | 'NOTIFY_GROUP_INTERVAL'>

export const standardRoute = ({ NOTIFY_GROUP_WAIT, NOTIFY_GROUP_INTERVAL }: StandardSettings): Route =>
  defaultRoute({ wait: NOTIFY_GROUP_WAIT, interval: NOTIFY_GROUP_INTERVAL })

/** Who is told when nobody else is: the default route's receiver, and the one of a route that leads to nobody. */
export async function standardPerson(seal: Seal, { NOTIFY_TO }: StandardSettings): Promise<Person> {
  return {
    ...{
      id: null,
      name: null,
      timeZone: 'UTC',
      locale: 'en',
      roles: [],
      groups: [],
      quietFrom: null,
      quietTo: null,
      preferences: {},
    },
    contacts: [{ id: null, channel: 'email', address: await seal.seal(NOTIFY_TO) }],
  }
}

/** What one transaction reads once, and only if it needs it. */
export class Loaded {
  readonly #tx: Tx
  #templates: Promise<TemplateVersion[]> | undefined

  constructor(tx: Tx) {
    this.#tx = tx
  }

  templates(): Promise<TemplateVersion[]> {
    this.#templates ??= Promise.resolve(loadTemplates(this.#tx))
    return this.#templates
  }
}

export const receiversOf = (routes: readonly Route[]): Receiver[] => routes.flatMap(({ receivers }) => receivers)
