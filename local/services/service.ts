export const serviceNames = ['postgres', 'redis', 'kafka', 'registry', 'ses'] as const
export type ServiceName = (typeof serviceNames)[number]

export interface ServiceUrls {
  /** `postgres://tidemark:…@HOST:PORT`, no database in the path; the user is a superuser. */
  postgres: string
  /** `redis://HOST:PORT`, with a password when HOST is not the loopback. */
  redis: string
  /** Bootstrap list, `HOST:PORT`. */
  kafka: string
  /** Confluent-compatible, `http://HOST:PORT/apis/ccompat/v7`. */
  registry: string
  /** `http://HOST:PORT`; sent mail is at `/moto-api/data.json`. */
  ses: string
}

export type Say = (line: string) => void

export interface Program {
  file: string
  args: string[]
  env?: NodeJS.ProcessEnv
  cwd?: string
  uid?: number
  gid?: number
}

/** A program that stays up, and how one knows that it does. */
export interface Service {
  name: string
  /** Read at every start, so that what a failed start removed (a class archive) is no longer used. */
  program(): Program
  /** Clears what a killed predecessor left behind; runs before every start, restarts too. */
  beforeStart?(): Promise<void>
  /** One attempt in the service's own protocol; throws while it does not answer. */
  probe(): Promise<void>
  /** True when it changed something after a failed start that makes one more try worth while. */
  afterFailedStart?(): boolean
  readyWithinMs: number
  stopSignal: NodeJS.Signals
  stopWithinMs: number
}
