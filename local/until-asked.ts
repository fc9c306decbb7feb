/** Settles at the first Ctrl-C or SIGTERM. A second one ends at once: what it leaves behind, the next start ends. */
export function untilAsked(): Promise<void> {
  return new Promise(resolve => {
    // A pending promise alone does not keep Node alive.
    const alive = setInterval(() => {}, 60_000)
    let asked = 0
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (++asked > 1) process.exit(130)
        clearInterval(alive)
        resolve()
      })
    }
  })
}
