import type { AdminSession } from '../admin/session.ts'
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

/** One at a time for each app, until the session ends; across processes whose administrator uses the same database. */
export async function lockApp({ run }: AdminSession, name: string): Promise<void> {
  await run(`set lock_timeout = '60s'`)
  await run(`select pg_advisory_lock(hashtextextended('pg_tenant.app:' || $1, 0))`, [name])
}
