import { createServer } from 'node:http'
import type { Program } from './main.ts'

/** The least that can be a function: what the cold starts of ours are compared with. */
export const run: Program = async (env, say) => {
  const server = createServer((_request, response) => response.end('hello'))
  server.listen(Number(env.PORT ?? 8080), () => say(JSON.stringify({ msg: 'listening', started: performance.timeOrigin })))
  return { stop: () => new Promise(resolve => server.close(() => resolve())) }
}
