import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { useWorld } from '../support/world.ts'

const world = useWorld()
const SCRIPT = fileURLToPath(new URL('fixtures/process.ts', import.meta.url))
const NODE = [
  '--conditions=@org/source',
  '--disable-warning=ExperimentalWarning',
  '--experimental-strip-types',
  SCRIPT,
]

/** Runs a scenario in a process of its own; what it printed, or the last lines of why it died. */
async function runScenario(name: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [...NODE, name, world.appUrl, world.rolePrefix],
      {
        timeout: 120_000,
      },
    )
    return stdout.trim()
  } catch (error) {
    return `died: ${(error as { stderr?: string }).stderr?.slice(0, 600)}`
  }
}

describe('the process lives on when', () => {
  it.each([
    'idle connections are killed',
    'signal aborted before',
    'query not awaited',
    'savepoint not awaited',
    'failing query not awaited',
    'copyFrom with COPY TO',
    'copyTo with COPY FROM',
  ])('%s', async (name) => {
    expect(await runScenario(name)).toBe('survived')
  })
})
