import type { Admin } from '../../lifecycle/admin.ts'
import type { TenantWork } from '../../lifecycle/levels/level.ts'
import { qualify } from '../../sql/identifier.ts'
import type { Place } from '../place.ts'
import { busy } from './measure.ts'

const LOCK_NOT_AVAILABLE = ['55P03']

/** What to do with scopes that do not end in time. */
export type OnBusy = 'report' | 'terminate'

/**
 * Waits until the tenant's running scopes have ended and lets no new one in until the transaction ends: every scope holds
 * its marker in ACCESS SHARE mode.
 *
 * @throws TenancyError TIMEOUT
 */
export async function drain(
  { admin, lifecycle: { naming } }: TenantWork,
  place: Place,
  drainMs: number,
  onBusy: OnBusy,
): Promise<void> {
  const marker = qualify(place.schema, naming.marker)
  const lock = `lock table ${marker} in access exclusive mode`
  await setPatience(admin, drainMs)
  if (await admin.attempt(LOCK_NOT_AVAILABLE, lock)) return setPatience(admin, DEFAULT_MS)
  if (onBusy === 'report') throw busy(await holders(admin, marker), drainMs)
  await admin.run(`select pg_terminate_backend(pid) from (${HOLDERS}) holders`, [marker])
  if (await admin.attempt(LOCK_NOT_AVAILABLE, lock)) return setPatience(admin, DEFAULT_MS)
  throw busy(await holders(admin, marker), drainMs)
}

/** As `inAdminTransaction` has it. */
const DEFAULT_MS = 10_000

const HOLDERS = `select distinct l.pid from pg_locks l
  where l.locktype = 'relation' and l.relation = $1::regclass and l.granted and l.pid <> pg_backend_pid()
    and l.database = (select oid from pg_database where datname = current_database())`

async function holders(admin: Admin, marker: string): Promise<number> {
  return (await admin.run(HOLDERS, [marker])).length
}

async function setPatience(admin: Admin, ms: number): Promise<void> {
  await admin.run(`select set_config('lock_timeout', $1, true)`, [String(ms)])
}
