import { setTimeout } from 'node:timers/promises'
import { TenancyError } from '@org/core'
import { type AdminSession, withAdminPool } from '../admin/session.ts'
import { type Admin, inAdminTransaction } from '../admin/transaction.ts'
import type { PoolLike } from '../driver/types.ts'
import { quoteIdentifier } from '../sql/identifier.ts'

/**
 * How far an app is, kept as the comment of its role, because nothing else outlives CREATE DATABASE, which cannot run in
 * a transaction. Only those who administer a role can write its comment; the app itself cannot.
 */
export type AppState = 'provisioning' | 'ready' | 'dropping'

const MARK = 'pg_tenant app: '

/** What there is under an app's name. `foreign`: made by somebody else. */
export interface AppStanding {
  readonly role: 'none' | 'foreign' | AppState
  readonly database: 'none' | 'foreign' | 'ours'
}

const STANDING = `select
    (select coalesce(shobj_description(oid, 'pg_authid'), '') from pg_roles where rolname = $1) as role,
    (select datdba = (select oid from pg_roles where rolname = current_user)
       or (select rolsuper from pg_roles where rolname = current_user)
     from pg_database where datname = $1) as mine`

export async function standingOfApp({ run }: AdminSession, name: string): Promise<AppStanding> {
  const [row] = await run(STANDING, [name])
  const role = roleState(row?.role as string | null)
  // The administrator owns it; with a role of ours beside it, nobody else can have made it.
  const ours = row?.mine === true && role !== 'none' && role !== 'foreign'
  return { role, database: row?.mine === null ? 'none' : ours ? 'ours' : 'foreign' }
}

function roleState(comment: string | null): AppStanding['role'] {
  if (comment === null) return 'none'
  const state = comment.startsWith(MARK) ? comment.slice(MARK.length) : ''
  return state === 'provisioning' || state === 'ready' || state === 'dropping' ? state : 'foreign'
}

export async function setAppState({ run }: AdminSession, name: string, state: AppState): Promise<void> {
  await run(`comment on role ${quoteIdentifier(name)} is '${MARK}${state}'`)
}

/**
 * Runs `fn` while nobody else works on the app, on this server. The lock is a role that is never committed: whoever makes one of the
 * same name waits for the first (its name is unique), and only who may make roles can. An advisory lock anybody could take who may
 * connect to the administrator's database (hazard ad).
 *
 * @throws TenancyError TIMEOUT when somebody else is at work for a minute
 */
export async function whileAppIsLocked<T>(
  adminPool: PoolLike,
  name: string,
  fn: () => Promise<T>,
): Promise<T> {
  let work: Promise<T> | undefined
  const hold = async (admin: Admin) => {
    await admin.run(
      `set local lock_timeout = '60s'; set local idle_in_transaction_session_timeout = 0;
       create role ${quoteIdentifier(`${name}#lock`)} nologin`,
    )
    work = fn()
    await work.catch(() => undefined)
    await admin.run('rollback')
  }
  const held = withAdminPool(adminPool, undefined, (pool) => inAdminTransaction(pool, hold))
  // What became of the work counts: nothing hangs on how the lock was given back.
  return await held.then(
    () => work as Promise<T>,
    (error: unknown) => work ?? Promise.reject(error),
  )
}

// $1 name. Held by the session that works on it, for as long as the server runs its last statement.
const KEY = `hashtextextended('pg_tenant.app:' || $1, 0)`
const AT_WORK = `select from pg_locks l join pg_stat_activity a on a.pid = l.pid
  where l.locktype = 'advisory' and l.objsubid = 1 and (l.classid::bigint << 32) | l.objid::bigint = ${KEY} and l.granted
    and l.database = (select oid from pg_database where datname = current_database())
    and l.pid <> pg_backend_pid() and pg_has_role(a.usesysid, current_user, 'member')`
const WAIT_MS = 60_000

/**
 * Waits for the session of a call that was cut off: the server may still be at its last statement. Only administrators are
 * waited for, whoever else has taken the lock.
 *
 * @throws TenancyError TIMEOUT
 */
export async function waitForOthers({ run }: AdminSession, name: string): Promise<void> {
  for (const until = Date.now() + WAIT_MS; (await run(AT_WORK, [name])).length > 0; await setTimeout(20)) {
    if (Date.now() < until) continue
    const message =
      'A call for this app that was cut off is still at work in the server. Nothing was changed; run it again later.'
    throw new TenancyError('TIMEOUT', message, { details: { database: name, waitedMs: WAIT_MS } })
  }
  await run(`select pg_try_advisory_lock(${KEY})`, [name])
}
