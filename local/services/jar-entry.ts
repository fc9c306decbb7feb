import { inflateRawSync } from 'node:zlib'

const endOfDirectory = 0x06054b50
const directoryEntry = 0x02014b50

/** One file out of a jar (zip without zip64), so that no unzip has to be on the machine. */
export function readJarEntry(jar: Buffer, wanted: string): Buffer {
  let end = jar.length - 22
  while (end >= 0 && jar.readUInt32LE(end) !== endOfDirectory) end--
  if (end < 0) throw new Error('not a jar: no central directory')
  const count = jar.readUInt16LE(end + 10)
  let at = jar.readUInt32LE(end + 16)
  for (let index = 0; index < count && jar.readUInt32LE(at) === directoryEntry; index++) {
    const [nameLength, extraLength, commentLength] = [
      jar.readUInt16LE(at + 28),
      jar.readUInt16LE(at + 30),
      jar.readUInt16LE(at + 32),
    ]
    const name = jar.toString('utf8', at + 46, at + 46 + nameLength)
    if (name === wanted) {
      const local = jar.readUInt32LE(at + 42)
      const start = local + 30 + jar.readUInt16LE(local + 26) + jar.readUInt16LE(local + 28)
      const data = jar.subarray(start, start + jar.readUInt32LE(at + 20))
      return jar.readUInt16LE(at + 10) === 0 ? Buffer.from(data) : inflateRawSync(data)
    }
    at += 46 + nameLength + extraLength + commentLength
  }
  throw new Error(`the jar holds no ${wanted}`)
}
