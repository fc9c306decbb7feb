// The reference of a cold start: what Node itself takes to answer over HTTP. Plain JavaScript, so that nothing has to be stripped.
import { createServer } from 'node:http'

createServer((_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': 2 })
  response.end('{}')
}).listen(Number(process.env.PORT), process.env.HOST)
