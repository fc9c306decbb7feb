import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { Cluster } from 'ioredis'
import { currentPassword, setting } from '../config.ts'
import { openRedis } from './redis.ts'

/** The first byte of a TLS handshake, and of a command. */
const [handshake, command] = [0x16, '*'.charCodeAt(0)]

for (const [scheme, isCluster, firstByte] of [
  ['redis', false, command],
  ['rediss', false, handshake],
  ['redis+cluster', true, command],
  ['rediss+cluster', true, handshake],
] as const) {
  test(`${scheme}: is ${isCluster ? 'a cluster' : 'one server'}${firstByte === handshake ? ', by TLS' : ''}`, async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const connected = once(server, 'connection')
    const { port } = server.address() as AddressInfo
    const url = setting.credentialUrl().parse(`${scheme}://:it%27s@127.0.0.1:${port}`)
    const redis = openRedis({ url, password: currentPassword(() => url), service: 'test' })
    try {
      const [socket] = (await connected) as [Socket]
      const [bytes] = (await once(socket, 'data')) as [Buffer]
      assert.equal(bytes[0], firstByte)
      // The password goes first, in plain text where there is no TLS.
      if (firstByte === command) assert.match(bytes.toString(), /it's/)
      assert.equal(redis instanceof Cluster, isCluster)
    } finally {
      redis.disconnect()
      server.close()
    }
  })
}
