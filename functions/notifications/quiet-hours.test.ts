import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isQuiet, nextLocalTime, quietUntil } from './quiet-hours.ts'

const zones = [
  'Europe/Zurich',
  'America/New_York',
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  'America/Sao_Paulo',
  'Africa/Casablanca',
  'UTC',
]

test('who sleeps until seven is told at seven', () => {
  const until = quietUntil('22:00', '07:00', 'Europe/Zurich', new Date('2026-07-01T22:30:00Z'))
  assert.equal(until?.toISOString(), '2026-07-02T05:00:00.000Z')
  assert.equal(quietUntil('22:00', '07:00', 'Europe/Zurich', new Date('2026-07-01T12:00:00Z')), null)
})

test('the night in which the clocks are changed is as long as it is', () => {
  // Spring: 2026-03-29, 02:00 becomes 03:00 in Zurich. Autumn: 2026-10-25, 03:00 becomes 02:00.
  assert.equal(
    quietUntil('22:00', '07:00', 'Europe/Zurich', new Date('2026-03-28T21:00:00Z'))?.toISOString(),
    '2026-03-29T05:00:00.000Z',
  )
  assert.equal(
    quietUntil('22:00', '07:00', 'Europe/Zurich', new Date('2026-10-24T20:00:00Z'))?.toISOString(),
    '2026-10-25T06:00:00.000Z',
  )
})

test('quiet hours that end at a time which the clocks leave out end with the change', () => {
  const until = quietUntil('22:00', '02:30', 'Europe/Zurich', new Date('2026-03-29T00:30:00Z'))
  assert.equal(until?.toISOString(), '2026-03-29T01:00:00.000Z')
})

test('the digest of a time that comes twice comes with the first', () => {
  const next = nextLocalTime('02:30', 'Europe/Zurich', new Date('2026-10-24T22:00:00Z'))
  assert.equal(next.toISOString(), '2026-10-25T00:30:00.000Z')
})

test('at the very minute of a digest the next one is tomorrow', () => {
  assert.equal(nextLocalTime('08:00', 'UTC', new Date('2026-07-01T08:00:00Z')).toISOString(), '2026-07-02T08:00:00.000Z')
})

// Days around the changes of 2026 in either hemisphere, and others.
const instants = fc
  .tuple(
    fc.constantFrom(
      '2026-02-15',
      '2026-03-08',
      '2026-03-22',
      '2026-03-29',
      '2026-04-05',
      '2026-07-01',
      '2026-10-04',
      '2026-10-25',
      '2026-11-01',
    ),
    fc.integer({ min: -30 * 3_600_000, max: 30 * 3_600_000 }),
  )
  .map(([date, shift]) => new Date(Date.parse(`${date}T00:00:00Z`) + shift))
const times = fc
  .integer({ min: 0, max: 1_439 })
  .map(n => `${String(Math.floor(n / 60)).padStart(2, '0')}:${String(n % 60).padStart(2, '0')}`)

const clocks = new Map(
  zones.map(zone => [
    zone,
    new Intl.DateTimeFormat('en-GB', { timeZone: zone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }),
  ]),
)
const clock = (zone: string, instant: number) => clocks.get(zone)?.format(instant) as string

test('the next time of day is within a day and the change, is reached then, and at no minute before', () => {
  fc.assert(
    fc.property(instants, times, fc.constantFrom(...zones), (now, time, zone) => {
      const next = nextLocalTime(time, zone, now).getTime()
      assert.ok(next > now.getTime() && next - now.getTime() <= 25 * 3_600_000)
      const [before, at] = [clock(zone, next - 1), clock(zone, next)]
      const isLeftOut = before < time && time < at
      assert.ok(at === time || isLeftOut, `${time} in ${zone}: ${before} → ${at}`)
      const firstMinute = Math.floor(now.getTime() / 60_000) * 60_000 + 60_000
      for (let instant = firstMinute; instant < next; instant += 60_000) assert.notEqual(clock(zone, instant), time)
    }),
    { numRuns: 60 },
  )
})

test('quiet hours hold exactly from their start until their end', () => {
  fc.assert(
    fc.property(instants, times, times, fc.constantFrom(...zones), (now, from, to, zone) => {
      const at = clock(zone, now.getTime())
      const expected = from <= to ? from <= at && at < to : from <= at || at < to
      assert.equal(isQuiet(from, to, zone, now), expected)
      assert.equal(quietUntil(from, to, zone, now) !== null, expected)
    }),
  )
})
