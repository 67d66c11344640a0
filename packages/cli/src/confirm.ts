import { createInterface } from 'node:readline/promises'
import { CliError, usage } from './cli-error.ts'
import type { Invocation } from './command.ts'

/**
 * Makes sure that a tenant or app is meant: `--confirm` repeats its key, or a person types it.
 *
 * @param named what its key is called
 * @throws CliError USAGE when it is not repeated right, INTERRUPTED
 */
export async function confirmKey(
  { io, output, signal }: Invocation,
  key: string,
  given: string | undefined,
  what: string,
  named = 'key',
): Promise<void> {
  if (given === key) return
  if (given !== undefined) throw usage(`--confirm does not repeat the ${named}. Nothing was done.`)
  if (!io.stdin?.isTTY || !io.stderr.isTTY || output.json) {
    throw usage(`This cannot be undone: repeat the ${named} with --confirm <${named}>. Nothing was done.`)
  }
  const terminal = createInterface({ input: io.stdin, output: io.stderr })
  try {
    const typed = await terminal.question(`${what} Type its ${named} to go on: `, { signal })
    if (typed.trim() !== key) throw usage(`That is not its ${named}. Nothing was done.`)
  } catch (error) {
    if (!signal.aborted) throw error
    throw new CliError('INTERRUPTED', 'Nothing was done.')
  } finally {
    terminal.close()
  }
}
