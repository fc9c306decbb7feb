import { randomUUID } from 'node:crypto'
import { eventCodec } from '../../shared/events/codec.ts'
import type { EventData } from '../../shared/events/generated.ts'
import { skuName } from '../load/template.ts'

export const skus = 10_000
/** Units from full to empty: a SKU is filled when nothing is left of it, and sells one unit with each event. */
const full = 1_000
/** Where SKUs begin is spread, so that about as many fall to their levels at any time. */
const spread = 37

type Changed = EventData['tidemark.stock.changed.v1']

/** Stock events as a KafkaSource's dispatcher sends them, each SKU in its turn, and each version once. */
export async function stockEvents(registryUrl: string): Promise<() => Buffer> {
  const encode = await eventCodec(registryUrl).encoder('tidemark.stock.changed.v1')
  let sent = 0
  return () => {
    const number = sent++
    const version = Math.floor(number / skus) + 1
    const available = full - (((number % skus) * spread + version) % (full + 1))
    const changed: Changed = {
      ...{ sku: skuName(number % skus), location: 'main', onHand: available, reserved: 0, available, capacity: 100 },
      ...{ version, kind: 'commit', reference: null, since: version - 1, sold: 1 },
    }
    return request(encode(changed))
  }
}

function request(body: Buffer): Buffer {
  const head = [
    'POST / HTTP/1.1',
    'host: bench',
    'content-type: application/avro',
    `content-length: ${body.length}`,
    'ce-specversion: 1.0',
    `ce-id: ${randomUUID()}`,
    'ce-type: tidemark.stock.changed.v1',
    'ce-source: /tidemark/inventory',
    `ce-time: ${new Date().toISOString()}`,
    'ce-traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  ]
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), body])
}
