import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** The hub's worker, a process of its own. */
export interface DemoWorker {
  /** As a machine does that fails: without a word. */
  kill(): Promise<void>
  /** Lets it finish what it has in hand. */
  close(): Promise<void>
}

/** @param environment the hub's */
export async function startWorker(environment: NodeJS.ProcessEnv): Promise<DemoWorker> {
  const child = fork(fileURLToPath(new URL('./worker.child.ts', import.meta.url)), {
    env: { ...process.env, ...environment },
  })
  const ended = once(child, 'exit')
  const failed = ended.then(([code]) => Promise.reject(new Error(`the worker ended with ${code}`)))
  await Promise.race([once(child, 'message'), failed])
  failed.catch(() => {})
  return {
    kill: () => end(child, ended, () => child.kill('SIGKILL')),
    close: () => end(child, ended, () => child.disconnect()),
  }
}

async function end(child: ChildProcess, ended: Promise<unknown>, how: () => void): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  how()
  await ended
}
