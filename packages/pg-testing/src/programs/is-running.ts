import { readFileSync } from 'node:fs'

/**
 * Whether a process runs; a zombie that nobody reaps does not.
 * @example
 * ```ts
 * import { isRunning } from '@org/pg-testing'
 *
 * console.log(isRunning(process.pid)) // true
 * ```
 */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
  } catch {
    return process.platform !== 'linux'
  }
}
