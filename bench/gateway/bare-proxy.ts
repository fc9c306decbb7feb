import { Agent, createServer, request } from 'node:http'

// The least that a proxy in Node does: kept connections, both bodies piped, no header changed.
const target = new URL(process.env.UPSTREAM_URL as string)
const agent = new Agent({ keepAlive: true, maxSockets: 512, maxFreeSockets: 256, scheduling: 'lifo' })

createServer((incoming, response) => {
  const outgoing = request(
    { agent, host: target.hostname, port: target.port, method: incoming.method, path: incoming.url, headers: incoming.headers },
    answer => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    },
  )
  outgoing.on('error', () => response.destroy())
  incoming.pipe(outgoing)
}).listen(Number(process.env.PORT), '127.0.0.1')
