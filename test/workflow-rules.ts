import { parse } from 'yaml'

interface Step {
  uses?: string
  run?: string
  with?: Record<string, unknown>
}
interface Job {
  uses?: string
  steps?: Step[]
  permissions?: unknown
  'timeout-minutes'?: number
}
interface Workflow {
  on: string | string[] | Record<string, unknown>
  permissions?: Record<string, string>
  jobs: Record<string, Job>
}
export interface Action {
  inputs?: Record<string, { required?: boolean }>
  runs: { steps: Step[] }
}

export interface Surroundings {
  /** package.json's scripts. */
  scripts: Record<string, string>
  /** The repository's own actions and reusable workflows, by the path that `uses` names. */
  local: Map<string, Action | undefined>
}

/** What this project asks of a workflow beyond its syntax. Each finding names its place. */
export function workflowFindings(text: string, surroundings: Surroundings): string[] {
  const workflow = parse(text) as Workflow
  const found = pinFindings(text)
  const events =
    typeof workflow.on === 'string' ? [workflow.on] : Array.isArray(workflow.on) ? workflow.on : Object.keys(workflow.on)
  // Both run with the repository's secrets on what a stranger has written.
  for (const event of ['pull_request_target', 'workflow_run']) if (events.includes(event)) found.push(`it is started by ${event}`)
  if (JSON.stringify(workflow.permissions) !== '{}') found.push('permissions are not {} at the top')
  for (const [name, job] of Object.entries(workflow.jobs)) {
    if (job.permissions === undefined) found.push(`${name}: no permissions of its own`)
    // A job that calls a workflow has the time limits of that workflow's jobs.
    if (job.uses === undefined && job['timeout-minutes'] === undefined) found.push(`${name}: no timeout-minutes`)
    if (job.uses !== undefined) found.push(...localFindings(name, job, surroundings))
    found.push(...stepFindings(name, job.steps ?? [], surroundings))
  }
  return found
}

export function actionFindings(text: string, surroundings: Surroundings): string[] {
  return [...pinFindings(text), ...stepFindings('action', (parse(text) as Action).runs.steps, surroundings)]
}

/** A tag can be moved to other code, a commit's hash cannot; the comment says to people and to Dependabot which version it is. */
function pinFindings(text: string): string[] {
  return [...text.matchAll(/^\s*(?:- )?uses:\s*(?<used>\S.*)$/gm)]
    .map(match => match.groups?.used ?? '')
    .filter(used => !/^\.\/\S+$/.test(used) && !/^[\w.-]+\/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(used))
    .map(used => `not pinned by a commit's hash with its version beside it: ${used}`)
}

function stepFindings(place: string, steps: readonly Step[], surroundings: Surroundings): string[] {
  return steps.flatMap(step => {
    const found = step.uses?.startsWith('./') ? localFindings(place, step, surroundings) : []
    if (step.uses?.startsWith('actions/checkout@') && step.with?.['persist-credentials'] !== false)
      found.push(`${place}: the checkout leaves its token on disk`)
    // An expression is pasted into the script before a shell reads it; a variable of the environment is not.
    if (step.run?.includes('${{')) found.push(`${place}: an expression inside a script`)
    for (const [, script = ''] of (step.run ?? '').matchAll(/npm run ([\w:-]+)/g))
      if (!(script in surroundings.scripts)) found.push(`${place}: package.json has no script ${script}`)
    return found
  })
}

function localFindings(place: string, user: Step, { local }: Surroundings): string[] {
  const path = user.uses ?? ''
  if (!local.has(path)) return [`${place}: there is no ${path}`]
  const inputs = local.get(path)?.inputs ?? {}
  const given = Object.keys(user.with ?? {})
  return [
    ...given.filter(name => !(name in inputs)).map(name => `${place}: ${path} takes no ${name}`),
    ...Object.keys(inputs)
      .filter(name => inputs[name]?.required && !given.includes(name))
      .map(name => `${place}: ${path} is not given ${name}`),
  ]
}
