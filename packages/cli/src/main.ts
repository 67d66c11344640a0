#!/usr/bin/env node
import { run } from './run.ts'

const stop = new AbortController()
let asked = 0
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.on(signal, () => {
    if (++asked > 1) process.exit(code)
    process.stderr.write('\nStopping: what is under way is finished first. Once more to stop at once.\n')
    stop.abort()
  })
}
// A reader that has seen enough (`| head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})
// Node says so each time it loads a configuration in TypeScript; that it does is documented.
process.removeAllListeners('warning')
process.on('warning', (warning) => {
  if (!/type stripping/i.test(warning.message)) process.stderr.write(`${warning.name}: ${warning.message}\n`)
})

const { stdout, stderr, stdin, env } = process
process.exitCode = await run(process.argv.slice(2), {
  stdout,
  stderr,
  stdin,
  env,
  cwd: process.cwd(),
  signal: stop.signal,
})
// A terminal that was read from would keep the process alive.
stdin.unref?.()
