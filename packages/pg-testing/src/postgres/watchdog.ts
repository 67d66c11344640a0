import { spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { TestPostgresError } from './error.ts'

/**
 * Reads process ids, one per line, from a pipe that only our process holds. However we end, SIGKILL included,
 * the kernel closes the pipe: then it stops the last process named (0: none) and removes the directory.
 * So no exit or signal handler is needed, which would change how the host process dies.
 * A zombie counts as gone: in containers without an init nobody reaps it.
 */
const SCRIPT = `
dir=$1 signal=$2 pid=0
while read -r line; do pid=$line; done
alive() {
  [ "$pid" -gt 0 ] && kill -0 "$pid" 2>/dev/null && ! grep -q ') Z ' "/proc/$pid/stat" 2>/dev/null
}
if alive; then kill -s "$signal" "$pid"; fi
tries=0
while alive && [ $tries -lt 200 ]; do sleep 0.05; tries=$((tries + 1)); done
if alive; then kill -s KILL "$pid"; fi
tries=0
while [ -e "$dir" ] && [ $tries -lt 100 ]; do
  rm -rf "$dir" 2>/dev/null || sleep 0.05
  tries=$((tries + 1))
done
`

export interface Watchdog {
  /** from now on stop this process if we die; 0 for none */
  guard(pid: number): void
  /** ends the watchdog, which removes the directory if it is still there */
  release(): void
}

/**
 * Starts a watchdog over `dir`; `signal` is how the guarded process is told to stop.
 * @throws TestPostgresError `POSTGRES_START_FAILED`
 */
export function startWatchdog(dir: string, signal: 'QUIT' | 'TERM'): Watchdog {
  // Detached: a Ctrl-C in the terminal goes to the whole process group and must not end the watchdog.
  const child = spawn('/bin/sh', ['-c', SCRIPT, 'pgtt-watchdog', dir, signal], {
    detached: true,
    cwd: '/',
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const pipe = child.stdin as Socket
  child.on('error', () => undefined)
  pipe.on('error', () => undefined)
  // Known at once: a program that cannot be run gets no process id.
  if (child.pid === undefined) throw new TestPostgresError('POSTGRES_START_FAILED', 'cannot run /bin/sh')
  child.unref()
  pipe.unref()
  return {
    guard: (pid) => void pipe.write(`${pid}\n`),
    release: () => void pipe.end(),
  }
}
