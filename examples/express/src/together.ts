import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

// `pnpm hub`: the hub and its worker, two processes, until Ctrl-C. With DATABASE_URL as it is told by the environment
// (src/config.ts says every variable); without one, on a throw-away PostgreSQL with throw-away keys.

const local = process.env.DATABASE_URL ? undefined : await (await import('./local.ts')).startLocally()
/** A variable that is empty is one that is not set. */
const given = Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== ''))
const running = new Set<ChildProcess>()
let stopping: Promise<void> | undefined

/** A program beside this one. It ends when this process is no longer there: the channel between them tells it. */
function begin(program: string, more: NodeJS.ProcessEnv = {}): ChildProcess {
  const env = { ...local?.environment, ...given, ...more }
  const child = fork(fileURLToPath(new URL(program, import.meta.url)), { env, stdio: 'inherit' })
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

/** The processes, then the database. */
async function stop(): Promise<void> {
  await Promise.all(
    [...running].map((child) => {
      child.kill('SIGTERM')
      return once(child, 'exit')
    }),
  )
  await local?.stop()
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => (stopping ??= stop()))
const server = begin('./start.ts')
const worker = begin('./worker.ts')
for (const child of [server, worker]) {
  child.once('exit', (code) => {
    // One without the other is half a hub.
    if (stopping === undefined) process.exitCode = code || 1
    stopping ??= stop()
  })
}
server.once('message', ({ listening }: { readonly listening: number }) => {
  // Not for a database that stays: there src/invite-operator.ts is called once, by hand.
  if (local && !stopping) begin('./invite-operator.ts', { HUB_PAGE: `http://127.0.0.1:${listening}` })
})
