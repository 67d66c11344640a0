import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { useWorld } from '../support/world.ts'

const world = useWorld()
const SCRIPT = fileURLToPath(new URL('fixtures/process.ts', import.meta.url))
const NODE = [
  '--conditions=@org/source',
  '--disable-warning=ExperimentalWarning',
  '--experimental-strip-types',
  SCRIPT,
]

/** What the process has survived, and the last lines of why it died. */
const run = { survived: [] as string[], died: '' }
beforeAll(async () => {
  const args = [...NODE, world.appUrl, world.rolePrefix]
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { timeout: 120_000 }).catch(
    (error: { stdout: string; stderr: string }) => error,
  )
  run.survived = stdout.split('\n')
  run.died = stderr.slice(0, 600)
})

describe('the process lives on when', () => {
  it.each([
    'idle connections are killed',
    'signal aborted before',
    'query not awaited',
    'savepoint not awaited',
    'failing query not awaited',
    'copyFrom with COPY TO',
    'copyTo with COPY FROM',
  ])('%s', (name) => {
    expect(run.survived, run.died).toContain(name)
  })
})
