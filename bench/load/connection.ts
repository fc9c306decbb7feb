import { connect, type Socket } from 'node:net'

const endOfHead = Buffer.from('\r\n\r\n')

/**
 * One kept connection with at most one request on it. It reads of an answer what it must: the status, and where it ends.
 * An answer without a content-length, or a connection that ends, is a failure.
 */
export class Connection {
  readonly #socket: Socket
  #pending: Buffer | undefined
  readonly bytes: Buffer
  /** When the request on it should have gone out, in milliseconds. */
  due = 0
  /** When it went out. */
  sent = 0

  private constructor(socket: Socket, bytes: Buffer, answered: (connection: Connection, status: number, answer: Buffer) => void) {
    this.#socket = socket
    this.bytes = bytes
    socket.on('data', chunk => {
      const received = this.#pending ? Buffer.concat([this.#pending, chunk]) : chunk
      const end = endOf(received)
      if (end > received.length) {
        this.#pending = received
        return
      }
      this.#pending = undefined
      answered(this, Number(received.toString('latin1', 9, 12)), received)
    })
  }

  /** @param bytes the connection's own copy of the request, written over before each `send` */
  static open(
    port: number,
    bytes: Buffer,
    answered: (connection: Connection, status: number, answer: Buffer) => void,
    failed: (error: Error) => void,
  ): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => {
        socket.off('error', reject)
        socket.on('error', failed)
        socket.on('close', () => failed(new Error('The connection was closed.')))
        resolve(new Connection(socket, bytes, answered))
      })
      socket.once('error', reject)
    })
  }

  send(): void {
    this.#socket.write(this.bytes)
  }

  close(): void {
    this.#socket.removeAllListeners('close')
    this.#socket.destroy()
  }
}

/** The length of the whole answer; infinite while its head is not complete. */
function endOf(received: Buffer): number {
  const head = received.indexOf(endOfHead)
  if (head < 0) return Number.POSITIVE_INFINITY
  const text = received.toString('latin1', 0, head)
  const length = /\r\ncontent-length: *(\d+)/i.exec(text)
  if (!length) throw new Error(`An answer without a content-length:\n${text}`)
  return head + 4 + Number(length[1])
}
