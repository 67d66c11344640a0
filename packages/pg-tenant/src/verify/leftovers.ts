import { randomInt } from 'node:crypto'
import type { TenantKey } from '@org/core'
import { traitsOf } from '../isolation/traits.ts'
import { codeOfError, type ProbeDb, undone, type Verdict } from './probe.ts'
import { check, type Scene } from './scene.ts'

/** Pools give back the connection that was used last, so that the first try usually meets the same one. */
const TRIES = 5
const SETTING = 'pg_tenant.verify'

interface Seen {
  readonly pid: number
  readonly setting: string | null
  readonly locks: number
  readonly temporary: boolean
}

/**
 * One scope leaves on its connection what a session keeps (a setting, an advisory lock, a temporary table) and commits;
 * the next scope, of another tenant, on the same connection must not meet any of it. Leaves no data behind.
 */
export async function checkLeftovers(scene: Scene, one: TenantKey, other: TenantKey): Promise<void> {
  await check(scene, 'leftovers', one, other, async () => {
    const lock = randomInt(2 ** 31)
    const table = `${scene.scratch}_left`
    try {
      for (let attempt = 0; attempt < TRIES; attempt++) {
        const left = await scene.enter(one, (db) => leave(db, table, lock))
        const seen = await undone(scene.enter, other, (db) => look(db, table, lock))
        if (seen.pid === left) return verdictOn(seen)
        if (isElsewhere(scene))
          return { outcome: 'passed', evidence: 'tenants have connections of their own' }
      }
    } catch (error) {
      return { outcome: 'failed', evidence: `a scope did not run to its end: ${codeOfError(error)}` }
    }
    return { outcome: 'not checked', evidence: 'no two scopes met on one connection; the pool is busy' }
  })
}

function isElsewhere({ lifecycle: { level } }: Scene): boolean {
  return traitsOf(level).logsIn
}

async function leave(db: ProbeDb, table: string, lock: number): Promise<number> {
  const { rows } = await db.query(
    `select pg_backend_pid() as pid, set_config('${SETTING}', 'left', false), pg_advisory_lock($1, 0)`,
    [lock],
  )
  // Where TEMP was revoked there is nothing to leave.
  await db.savepoint((inner) => inner.query(`create temporary table ${table} ()`)).catch(() => undefined)
  return (rows[0] as { pid: number }).pid
}

async function look(db: ProbeDb, table: string, lock: number): Promise<Seen> {
  const { rows } = await db.query(
    `select pg_backend_pid() as pid, nullif(current_setting('${SETTING}', true), '') as setting,
       (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid() and classid = $1) as locks,
       to_regclass($2) is not null as temporary`,
    [lock, `pg_temp.${table}`],
  )
  return rows[0] as Seen
}

function verdictOn({ setting, locks, temporary }: Seen): Verdict {
  const met = [
    setting !== null && 'a setting',
    locks > 0 && 'an advisory lock',
    temporary && 'a temporary table',
  ].filter((word) => word !== false)
  if (met.length > 0) return { outcome: 'failed', evidence: `still there: ${met.join(', ')}` }
  return { outcome: 'passed', evidence: 'nothing of it on the same connection' }
}
