import { createServer } from 'node:net'

// A function as cheap as can be: one answer for whatever comes, without reading it. Requests have no body.
const body = '{"items":[],"next":null}'
const answer = Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
const end = '\r\n\r\n'

createServer({ noDelay: true }, socket => {
  let pending = ''
  socket.on('error', () => socket.destroy())
  socket.on('data', chunk => {
    pending += chunk.toString('latin1')
    for (let at = pending.indexOf(end); at >= 0; at = pending.indexOf(end)) {
      pending = pending.slice(at + end.length)
      socket.write(answer)
    }
  })
}).listen(Number(process.env.PORT), '127.0.0.1')
