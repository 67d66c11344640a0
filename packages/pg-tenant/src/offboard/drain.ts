import { SQLSTATE, TenancyError } from '@org/core'
import { withAdminPool } from '../admin/session.ts'
import type { Admin } from '../admin/transaction.ts'
import { begin, LOCK_TIMEOUT_MS, withAdminClient } from '../archive/client.ts'
import type { Place } from '../archive/place.ts'
import type { TenantWork } from '../lifecycle/levels/level.ts'
import { presenceOf, shutOut } from '../lifecycle/levels/row/presence.ts'
import { setUsage } from '../lifecycle/tenant-schema.ts'

const BUSY = [SQLSTATE.LOCK_NOT_AVAILABLE]

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
  /** Whether it is no reason to stay who has it still when sessions were ended: another lock counts. */
  readonly optional?: boolean
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
  const { row } = lifecycle.ofLevel
  if (row) {
    const id = await presenceOf(admin, work)
    const held: Held = {
      lock: `select pg_advisory_xact_lock(${id})`,
      holders: PRESENCE_HOLDERS,
      value: id,
      optional: true,
    }
    return await shutOut(work, { ...lifecycle, row }, await take(admin, held, patience))
  }
  if (marker === undefined) return
  const held: Held = {
    lock: `lock table ${marker} in access exclusive mode`,
    holders: MARKER_HOLDERS,
    value: marker,
  }
  if (database === undefined) return void (await take(admin, held, patience))
  await withAdminPool(lifecycle.adminPool, database, (own) =>
    withAdminClient(
      own,
      async (home) => {
        await begin(home, 'read committed read write')
        await take(home, held, patience)
        await setUsage(home, schema, [String(owner)], false)
        await home.run('commit')
      },
      patience.signal,
    ),
  )
}

/** @returns whether it was had; `false` only for what is optional */
async function take(
  admin: Admin,
  { lock, holders, value, optional = false }: Held,
  { drainMs, onBusy }: Patience,
): Promise<boolean> {
  await setPatience(admin, drainMs)
  let had = await admin.attempt(BUSY, lock)
  const busyWith = async () => (await admin.run(holders, [value])).length
  if (!had) {
    if (onBusy === 'report') throw busy(await busyWith(), drainMs)
    await admin.run(`select pg_terminate_backend(pid) from (${holders}) holders`, [value])
    had = await admin.attempt(BUSY, lock)
  }
  if (!had && !optional) throw busy(await busyWith(), drainMs)
  await setPatience(admin, LOCK_TIMEOUT_MS)
  return had
}

const HERE = `l.granted and l.pid <> pg_backend_pid()
    and l.database = (select oid from pg_database where datname = current_database())`
const MARKER_HOLDERS = `select distinct l.pid from pg_locks l
  where l.locktype = 'relation' and l.relation = $1::regclass and ${HERE}`
// A bigint key is shown in two halves (manual, pg_locks).
const PRESENCE_HOLDERS = `select distinct l.pid from pg_locks l
  where l.locktype = 'advisory' and l.objsubid = 1 and (l.classid::bigint << 32) | l.objid::bigint = $1::bigint and ${HERE}`

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
