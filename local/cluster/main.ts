/** `node /local/main.mjs PROGRAM`: what a test deploys into a cluster beside the functions. Only the program asked for is loaded. */
const programs: Record<string, () => Promise<{ run: Program }>> = {
  issuer: () => import('./issuer.ts'),
  'kafka-source': () => import('./kafka-source.ts'),
  prepare: () => import('./prepare.ts'),
  subscriber: () => import('./subscriber.ts'),
  hello: () => import('./hello.ts'),
}

/** Runs until it is stopped; one that has nothing to stop has done its work when `run` returns. */
export type Program = (env: NodeJS.ProcessEnv, say: (line: string) => void) => Promise<{ stop(): Promise<void> } | undefined>

const name = process.argv[2] ?? ''
const load = Object.hasOwn(programs, name) ? programs[name] : undefined
if (!load) {
  console.error(`Which program? There are: ${Object.keys(programs).join(', ')}`)
  process.exit(2)
}
try {
  const { run } = await load()
  const running = await run(process.env, line => console.log(line))
  if (!running) process.exit(0)
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => void running.stop().then(() => process.exit(0)))
  }
} catch (error) {
  console.error((error as Error).message)
  process.exit(1)
}
