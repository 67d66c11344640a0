import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Thousands of them begin in a long run: compiled once, one takes a third of the processor's time. */
const CACHE = join(tmpdir(), 'pg-tenant-soak-compiled')
const CHILD = fileURLToPath(new URL('./worker.child.ts', import.meta.url))

/** Workers in processes of their own: one that was killed is replaced, one that is stalled goes on after a while. */
export class Processes {
  readonly #args: readonly string[]
  readonly #children: ChildProcess[] = []
  #stalled: NodeJS.Timeout | undefined

  constructor(args: readonly string[], count: number) {
    this.#args = args
    for (let at = 0; at < count; at += 1) this.#children.push(this.#begin())
  }

  #begin(): ChildProcess {
    return fork(CHILD, [...this.#args], {
      execArgv: ['--conditions=@org/source', '--disable-warning=ExperimentalWarning'],
      env: { ...process.env, NODE_COMPILE_CACHE: CACHE },
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
  }

  kill(at: number): void {
    this.#children[at]?.kill('SIGKILL')
    this.#children[at] = this.#begin()
  }

  /** Longer than its leases last: another takes over what it has, and it wakes up with it in its hands. */
  stall(at: number, ms: number): void {
    const child = this.#children[at]
    if (this.#stalled !== undefined || child === undefined) return
    child.kill('SIGSTOP')
    this.#stalled = setTimeout(() => {
      child.kill('SIGCONT')
      this.#stalled = undefined
    }, ms)
  }

  async stop(): Promise<void> {
    clearTimeout(this.#stalled)
    await Promise.all(
      this.#children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return
        const ended = once(child, 'exit')
        child.kill('SIGKILL')
        await ended
      }),
    )
  }
}
