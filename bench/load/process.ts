import { generate, type Load } from './generator.ts'

/** Loads as told by its parent, one after another, and tells what came of each. A process of its own: it must not share a thread with what it measures. */
process.on('message', (load: Load) => {
  generate(load).then(
    result => process.send?.({ result }),
    (error: Error) => process.send?.({ error: error.message }),
  )
})
process.on('disconnect', () => process.exit(0))
process.send?.({ ready: true })
