import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { isTenancyError, SQLSTATE, TenancyError } from '@org/core'
import { ADMIN_LIMITS, type Admin } from '../admin/transaction.ts'

/** How much an application that goes on may notice of it. */
export interface Bounds {
  /** Milliseconds to wait for one lock; for so long what comes behind it waits as well. */
  readonly lockTimeout: number
  /** Milliseconds from the first exclusive lock on. */
  readonly maxLockTime: number
  /** How often it is tried. */
  readonly attempts: number
}

/**
 * Runs statements that lock tables exclusively, all or none, as the last act of a transaction. By default both limits are below the server's
 * `deadlock_timeout` (1 s): when two wait for each other, it is this side that gives way, and no statement of the application's fails.
 *
 * @param behind what else is done under the locks: each statement of it within what is left of their time
 */
export async function runBounded(
  admin: Admin,
  statements: readonly string[],
  { lockTimeout, maxLockTime }: Pick<Bounds, 'lockTimeout' | 'maxLockTime'>,
  behind: () => Promise<void> = async () => {},
): Promise<void> {
  if (statements.length === 0) return await behind()
  const began = performance.now()
  const tag = `$b${randomBytes(12).toString('hex')}$`
  await admin.run(`set local lock_timeout = ${lockTimeout}; set local statement_timeout = ${maxLockTime}`)
  await admin.run(`do ${tag} begin ${statements.join(';\n')}; end ${tag}`)
  const left = Math.max(1, Math.round(maxLockTime - (performance.now() - began)))
  await admin.run(`set local statement_timeout = ${left}`)
  await behind()
  await admin.run(
    `set local lock_timeout = ${ADMIN_LIMITS.lockTimeout}; set local statement_timeout = ${ADMIN_LIMITS.statementTimeout}`,
  )
}

/** Milliseconds before the second try; doubled up to the longest. */
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 1_000

const IN_THE_WAY: readonly unknown[] = [
  SQLSTATE.LOCK_NOT_AVAILABLE,
  SQLSTATE.QUERY_CANCELED, // statement_timeout
  SQLSTATE.DEADLOCK_DETECTED,
  SQLSTATE.SERIALIZATION_FAILURE,
  SQLSTATE.INTERNAL_ERROR, // "tuple concurrently updated"
]

/**
 * Tries again what found the tables in use. Each try is a transaction, of which nothing stays when it fails.
 *
 * @throws TenancyError TIMEOUT when all of them did
 */
export async function tryAgain<T>({ attempts }: Bounds, once: () => Promise<T>): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      return await once()
    } catch (error) {
      if (!isInTheWay(error)) throw error
      if (tried >= attempts) throw stillInUse(error)
      await pause(Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (tried - 1)) * (0.5 + Math.random()))
    }
  }
}

function isInTheWay(error: unknown): error is TenancyError {
  return isTenancyError(error) && (error.code === 'TIMEOUT' || IN_THE_WAY.includes(error.details.sqlState))
}

function stillInUse(cause: TenancyError): TenancyError {
  return new TenancyError(
    'TIMEOUT',
    'The tables were in use the whole time, or there are too many for maxLockTime. Nothing was changed. Run it again when long ' +
      'transactions have ended, or allow more: lockTimeout, maxLockTime, attempts.',
    { details: cause.details, cause },
  )
}
