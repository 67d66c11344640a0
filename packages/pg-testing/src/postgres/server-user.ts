import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { TestPostgresError } from './error.ts'

/** Whom to run a server as; undefined for ourselves. */
export interface ServerUser {
  readonly uid: number
  readonly gid: number
}

const CANDIDATES = ['postgres', '_postgres', 'nobody']

/**
 * PostgreSQL and PgBouncer refuse to run as root, so root lends them an existing unprivileged account
 * (nothing is added to the system). Everybody else runs them as himself.
 * @throws TestPostgresError `POSTGRES_START_FAILED`
 */
export function serverUser(): ServerUser | undefined {
  if (process.geteuid?.() !== 0) return undefined
  for (const name of CANDIDATES) {
    const uid = idOf('-u', name)
    const gid = idOf('-g', name)
    if (uid && gid) return { uid, gid }
  }
  const tried = CANDIDATES.join(', ')
  throw new TestPostgresError(
    'POSTGRES_START_FAILED',
    `a server cannot run as root and none of ${tried} exists`,
  )
}

function idOf(flag: '-u' | '-g', name: string): number | undefined {
  try {
    return Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))
  } catch {
    return undefined
  }
}

/** Whether that user can get to a path: root's home, where a checkout may lie, is closed to others. */
export function canReach(path: string, user: ServerUser | undefined): boolean {
  if (!user) return true
  const { mode, uid } = statSync(path)
  if ((mode & (uid === user.uid ? 0o100 : 0o001)) === 0) return false
  return dirname(path) === path || canReach(dirname(path), user)
}
