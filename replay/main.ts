import { Unreachable } from './calls.ts'
import { readCommandLine, USAGE, UsageError } from './options.ts'
import { progressTo } from './progress.ts'
import { replay } from './replay.ts'
import { allHold } from './report.ts'
import { FileRefused } from './rows.ts'
import { RunRefused } from './snapshot.ts'
import { summaryText } from './summary.ts'

process.exitCode = await main()

async function main(): Promise<number> {
  let run = ''
  try {
    const command = readCommandLine(process.argv.slice(2), process.env, Date.now())
    if (command.help) {
      console.log(USAGE)
      return 0
    }
    run = command.options.run
    // With --json, stdout belongs to the one object.
    const progress = progressTo(command.json ? process.stderr : process.stdout, Date.now)
    const report = await replay(command.options, progress.show).finally(progress.end)
    console.log(command.json ? JSON.stringify(report) : `\n${summaryText(report)}`)
    return allHold(report) ? 0 : 1
  } catch (error) {
    if (error instanceof UsageError) console.error(`${error.message}\n\n${USAGE}`)
    else if (error instanceof FileRefused || error instanceof RunRefused) console.error(error.message)
    else if (error instanceof Unreachable) {
      console.error(
        `${error.message}\nTidemark does not take calls at ${error.url}. Start it (npm run dev) or name another address with --url.`,
      )
      console.error(`What was sent stays: go on with --run ${run}`)
      return 3
    } else {
      // Neither a rule broken nor a system away: the system answered something that its API does not promise.
      console.error(error instanceof Error ? error.message : error)
      console.error(`Go on with --run ${run} once that is mended.`)
      return 1
    }
    return 2
  }
}
