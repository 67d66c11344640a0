import { TenancyError } from '@org/core'
import { withAdminPool } from '../admin/session.ts'
import type { Admin } from '../admin/transaction.ts'
import { begin, LOCK_TIMEOUT_MS, withAdminClient } from '../archive/client.ts'
import type { Place } from '../archive/place.ts'
import type { TenantWork } from '../lifecycle/levels/level.ts'
import { setUsage } from '../lifecycle/tenant-schema.ts'

const LOCK_NOT_AVAILABLE = ['55P03']

/** What to do with scopes that do not end in time. */
export type OnBusy = 'report' | 'terminate'

/** How long running scopes get, and what becomes of them then. */
export interface Patience {
  readonly drainMs: number
  readonly onBusy: OnBusy
  readonly signal: AbortSignal | undefined
}

/** What every scope of the tenant holds shared: who has it alone knows that there is none. */
interface Held {
  readonly lock: string
  /** The process ids of those who hold it; $1 is `value`. */
  readonly holders: string
  readonly value: string
}

/**
 * Waits until the tenant's running scopes have ended and lets no new one in: until the transaction ends or, where the
 * tenant has a database of its own, for good.
 *
 * @throws TenancyError TIMEOUT
 */
export async function drain(work: TenantWork, place: Place, patience: Patience): Promise<void> {
  const { admin, lifecycle } = work
  const { database, marker, owner, schema } = place
  if (marker === undefined) return await take(admin, await tenantLock(admin, work), patience)
  const held: Held = {
    lock: `lock table ${marker} in access exclusive mode`,
    holders: MARKER_HOLDERS,
    value: marker,
  }
  if (database === undefined) return await take(admin, held, patience)
  await withAdminPool(lifecycle.adminPool, database, (own) =>
    withAdminClient(
      own,
      async (home) => {
        await begin(home, 'read committed read write')
        await take(home, held, patience)
        await setUsage(home, schema, String(owner), false)
        await home.run('commit')
      },
      patience.signal,
    ),
  )
}

async function take(
  admin: Admin,
  { lock, holders, value }: Held,
  { drainMs, onBusy }: Patience,
): Promise<void> {
  await setPatience(admin, drainMs)
  if (await admin.attempt(LOCK_NOT_AVAILABLE, lock)) return setPatience(admin, LOCK_TIMEOUT_MS)
  const busyWith = async () => (await admin.run(holders, [value])).length
  if (onBusy === 'report') throw busy(await busyWith(), drainMs)
  await admin.run(`select pg_terminate_backend(pid) from (${holders}) holders`, [value])
  if (await admin.attempt(LOCK_NOT_AVAILABLE, lock)) return setPatience(admin, LOCK_TIMEOUT_MS)
  throw busy(await busyWith(), drainMs)
}

const HERE = `l.granted and l.pid <> pg_backend_pid()
    and l.database = (select oid from pg_database where datname = current_database())`
const MARKER_HOLDERS = `select distinct l.pid from pg_locks l
  where l.locktype = 'relation' and l.relation = $1::regclass and ${HERE}`
// A bigint key is shown in two halves (manual, pg_locks).
const LOCK_HOLDERS = `select distinct l.pid from pg_locks l
  where l.locktype = 'advisory' and l.objsubid = 1 and (l.classid::bigint << 32) | l.objid::bigint = $1::bigint and ${HERE}`

// The lock that the entrance of level row takes (lifecycle/row/entrance.ts).
const TENANT_LOCK = `select hashtextextended(concat('pg_tenant.row:', $1::text, ':', $2::text), 0)::text as id`

async function tenantLock(admin: Admin, { lifecycle, tenant }: TenantWork): Promise<Held> {
  const [row] = await admin.run(TENANT_LOCK, [lifecycle.registry.prefix, tenant])
  const value = String(row?.id)
  return { lock: `select pg_advisory_xact_lock(${value})`, holders: LOCK_HOLDERS, value }
}

async function setPatience(admin: Admin, ms: number): Promise<void> {
  await admin.run(`select set_config('lock_timeout', $1, true)`, [String(ms)])
}

function busy(scopes: number, waitedMs: number): TenancyError {
  return new TenancyError(
    'TIMEOUT',
    `${scopes} running scope(s) of this tenant did not end within ${waitedMs} ms. Nothing was changed and it is still in ` +
      "service. Run it again, give it a longer drain, or say onBusy: 'terminate'.",
    { details: { scopes, waitedMs } },
  )
}
