import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Debian keeps it in /usr/sbin, which is not on everybody's PATH. */
export function findPgBouncer(): string | undefined {
  const dirs = [...(process.env.PATH ?? '').split(delimiter).filter(Boolean), '/usr/sbin', '/usr/local/sbin']
  return dirs.map((dir) => join(dir, 'pgbouncer')).find(isExecutable)
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Whether the `pgbouncer` program is installed here. */
export const hasPgBouncer = (): boolean => findPgBouncer() !== undefined
