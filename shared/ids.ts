import { v7 } from 'uuid'
import { pooledBytes } from './telemetry/trace.ts'

let msecs = 0
let seq = 0

/**
 * A new id: UUIDv7 (RFC 9562), in the order in which this process makes them, within a millisecond too. The library asks the system for
 * each id's randomness, which is a twentieth of what a reservation costs; ours comes from a pool, so the sequence is ours to keep as well.
 */
export function newId(): string {
  const now = Date.now()
  const random = pooledBytes(16)
  if (now > msecs) {
    msecs = now
    // The upper half stays free: a sequence that begins there has room to count.
    seq = random.readUInt32BE(6) >>> 1
  } else {
    seq = (seq + 1) >>> 0
    if (seq === 0) msecs++
  }
  return v7({ random, msecs, seq })
}
