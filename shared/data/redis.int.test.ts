import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, test } from 'node:test'
import { serviceUrls, until } from '../../test/environment.ts'
import { openRedis } from './redis.ts'

const server = serviceUrls().redis
const user = `test-${randomBytes(6).toString('hex')}`
const admin = openRedis({ url: server, service: 'test' })
/** Our own deadline of a command is short, and a busy machine may miss it: these commands may be repeated. */
const done = (command: string, ...args: string[]) =>
  until(
    `Redis does ${command} ${args[0]}`,
    () =>
      admin.call(command, ...args).then(
        () => true,
        () => false,
      ),
    Boolean,
  )
after(async () => {
  await admin.call('acl', 'deluser', user)
  admin.disconnect()
})

test('a password can be changed under a running function: the next connection is opened with the new one', async () => {
  await until(
    'Redis is there',
    () => admin.status,
    status => status === 'ready',
  )
  await done('acl', 'setuser', user, 'on', '>first', '~*', '+@all')
  const url = new URL(server)
  url.username = user
  url.password = 'first'
  let password = 'first'
  const redis = openRedis({ url: url.href, password: () => password, service: 'test' })
  const status = (awaited: boolean) =>
    until(
      awaited ? 'it is connected' : 'it is not',
      () => redis.status,
      found => (found === 'ready') === awaited,
    )
  await status(true)
  await done('acl', 'setuser', user, 'resetpass', '>second')
  await done('client', 'kill', 'user', user)
  await status(false)
  await assert.rejects(redis.ping())
  password = 'second'
  await status(true)
  await until(
    'Redis says who is connected',
    () => redis.call('acl', 'whoami').catch(() => undefined),
    name => name === user,
  )
  redis.disconnect()
})
