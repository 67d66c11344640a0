import { isTenancyError, type QueryRows, type TenancyError } from '@org/core'
import { connectTo } from '../driver/checkout.ts'
import type { PoolClientLike, PoolLike } from '../driver/types.ts'
import { fromDatabase } from '../errors/from-database.ts'
import { connectionLost, unknownOutcome } from '../errors/from-scope.ts'
import { isServerError, type ServerError } from '../errors/server-error.ts'
import { OWN_PATH } from '../sql/own-path.ts'
import { whatIsLacking } from './denied.ts'

/** Milliseconds an administrative statement waits for a lock: long enough for running scopes to finish. */
const LOCK_TIMEOUT_MS = 10_000

/** The limits of every administrative transaction, in milliseconds. */
export const ADMIN_LIMITS = { lockTimeout: LOCK_TIMEOUT_MS, statementTimeout: 0 } as const

const BEGIN = `begin isolation level read committed read write; set local search_path to ${OWN_PATH}; set local lock_timeout = ${LOCK_TIMEOUT_MS};
  set local statement_timeout = 0`

/** Runs SQL as the administrator, inside the one transaction of {@link inAdminTransaction}. */
export interface Admin {
  /** One statement with values, or several without. */
  run<R extends object = Record<string, unknown>>(sql: string, values?: readonly unknown[]): Promise<R[]>
  /** Like `run`, but its failure with one of `states` is undone and answered with `false`. */
  attempt(states: readonly string[], sql: string): Promise<boolean>
  /** One statement, with how many rows it affected: for what an application does in the same transaction. */
  query(text: string, values?: readonly unknown[]): Promise<QueryRows>
}

/**
 * Runs `fn` in one transaction: everything in it is there afterwards, or nothing. The search path holds the catalogue
 * alone: names are to be qualified.
 *
 * @throws TenancyError what `fn` throws; DATABASE_ERROR, CONFLICT, TIMEOUT; INVALID_OPTION when the administrator lacks a
 *   right; CONNECTION_LOST; UNKNOWN_OUTCOME when the connection was lost at COMMIT (administrative work is idempotent:
 *   run it again)
 */
export async function inAdminTransaction<T>(pool: PoolLike, fn: (admin: Admin) => Promise<T>): Promise<T> {
  const client = await connectTo(pool)
  const admin = adminOf(client)
  let phase: 'work' | 'commit' = 'work'
  try {
    await client.query(BEGIN)
    const result = await fn(admin)
    phase = 'commit'
    await client.query('commit')
    client.release(isSpent(client, admin, false))
    return result
  } catch (error) {
    throw await afterRollback(client, error, phase, isSpent(client, admin, true))
  }
}

/** Rooms that were entered in this transaction, and on this connection before it. */
const entered = new WeakMap<Admin, number>()
const enteredBefore = new WeakMap<PoolClientLike, number>()

/**
 * A session keeps the plans of each room's function (tenant-room.ts), and every change of a table walks through all of them. At this
 * many they cost as much as a new session, and its first plans.
 */
export const MOST_ROOMS = 150

/** How many rooms one of so many files counts for: 56 kB, and for several, whose function keeps more plans, 144 kB. */
export const roomsOf = (files: number): number => (files > 1 ? 3 : 1)

/** Says that code of a tenant runs in this transaction: when it fails the connection is not used again, whose session may hold what outlives it. */
export function entersRoom(admin: Admin, rooms = 1): void {
  entered.set(admin, (entered.get(admin) ?? 0) + rooms)
}

/** Whether the connection ends with this transaction: it failed behind {@link entersRoom}, or has seen {@link MOST_ROOMS}. */
export function isSpent(client: PoolClientLike, admin: Admin, failed: boolean): boolean {
  const here = entered.get(admin) ?? 0
  const rooms = (enteredBefore.get(client) ?? 0) + here
  enteredBefore.set(client, rooms)
  return rooms >= MOST_ROOMS || (failed && here > 0)
}

/** What runs on a client that is the caller's alone. */
export function adminOf(client: PoolClientLike): Admin {
  const query: Admin['query'] = async (text, values) => {
    const { rows, rowCount = null } = (await client.query(text, values && [...values])) as Partial<QueryRows>
    return { rows: rows ?? [], rowCount }
  }
  const run = async <R extends object>(sql: string, values?: readonly unknown[]): Promise<R[]> =>
    (await query(sql, values)).rows as R[]
  return {
    run,
    query,
    attempt: async (states, sql) => {
      await run('savepoint attempt')
      try {
        await run(sql)
        await run('release savepoint attempt')
        return true
      } catch (error) {
        if (!isServerError(error) || !states.includes(error.code)) throw error
        // Left open, it would make what is made next part of it: new values of an enum could not be used.
        await run('rollback to savepoint attempt; release savepoint attempt')
        return false
      }
    },
  }
}

/** Back to the pool only after an answered ROLLBACK (hazard g). @returns what to tell the caller */
async function afterRollback(
  client: PoolClientLike,
  error: unknown,
  phase: 'work' | 'commit',
  ends: boolean,
): Promise<unknown> {
  try {
    await client.query('rollback')
  } catch {
    client.release(true)
    return lost(error, phase)
  }
  const lacking = await whatIsLacking(error, adminOf(client).run)
  client.release(ends)
  return lacking ?? (isServerError(error) ? fromStatement(error) : lost(error, phase))
}

/** What PostgreSQL answered to a statement of an administrative transaction. */
export function fromStatement(error: ServerError): TenancyError {
  return fromDatabase(error, { statementTimeout: Infinity, lockTimeout: LOCK_TIMEOUT_MS, elapsed: 0 })
}

/**
 * Also when the server itself said why (FATAL: it shuts down, or an administrator ended the session): at COMMIT that is
 * no proof that nothing was committed.
 */
function lost(error: unknown, phase: 'work' | 'commit'): TenancyError | unknown {
  if (isTenancyError(error) || !(error instanceof Error)) return error
  return phase === 'commit' ? unknownOutcome(error) : connectionLost(error)
}
