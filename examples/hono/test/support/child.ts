import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

export interface Child {
  readonly process: ChildProcess
  /** everything printed so far, stdout and stderr */
  output(): string
  /** resolves with the first capture of `pattern` once it was printed; rejects when the program ends before */
  printed(pattern: RegExp): Promise<string>
  /** the exit code, or the signal that ended it */
  readonly exited: Promise<number | string>
}

/** Runs a program as the root scripts do, for the time of the test. */
export function runProgram(program: URL, env: Record<string, string> = {}): Child {
  const file = fileURLToPath(program)
  const flags = ['--conditions=@org/source', '--disable-warning=ExperimentalWarning']
  const child = spawn(process.execPath, [...flags, file], {
    env: {
      ...process.env,
      ISOLATION: '',
      DATABASE_URL: '',
      FORCE_COLOR: undefined,
      NO_COLOR: undefined,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk
    })
  }
  const exited = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string)
  const printed = async (pattern: RegExp): Promise<string> => {
    for (;;) {
      const found = pattern.exec(output)
      if (found) return found[1] ?? found[0]
      const ended = await Promise.race([
        once(child.stdout, 'data').then(() => false),
        exited.then(() => true),
      ])
      if (ended && !pattern.test(output)) throw new Error(`it ended without printing ${pattern}:\n${output}`)
    }
  }
  return { process: child, output: () => output, printed, exited }
}
