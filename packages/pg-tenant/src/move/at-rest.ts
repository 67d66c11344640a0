import { setTimeout as delay } from 'node:timers/promises'
import { TenancyError } from '@org/core'
import { inAdminTransaction } from '../admin/transaction.ts'
import { throwIfAborted } from '../archive/abort.ts'
import { placeOf } from '../archive/place.ts'
import { atHome } from './ahead/publication.ts'
import { requireOurs } from './claim.ts'
import type { MoveState } from './ledger.ts'
import type { MoveSettings } from './options.ts'
import type { Route } from './route.ts'
import { leave, refuseOwnRows, refuseStaying } from './staying.ts'

/** Milliseconds between two looks at what is under way. */
const LOOK_MS = 100

/**
 * Waits until nothing more will come of a tenant that is closed: what workers have in their hands, and what is written past its scopes.
 *
 * @throws TenancyError TIMEOUT, CONFLICT (`details.reason` `stays`), ABORTED
 */
export async function atRest(
  route: Route,
  { lose, patience }: MoveSettings,
  state: MoveState,
): Promise<void> {
  const { adminPool } = route.from.lifecycle
  // guard: the last scope may have left something behind since it was asked
  await inAdminTransaction(adminPool, (admin) => refuseStaying(admin, route, lose))
  await refuseOwnRows(route, lose)
  const until = performance.now() + patience.drainMs
  for (;;) {
    const busy = await inAdminTransaction(adminPool, async (admin) => {
      await requireOurs(admin, route.from, route.tenant, state)
      return await leave(admin, route)
    })
    const writing = await writingNow(route)
    if (busy + writing === 0) return
    if (performance.now() > until) throw stillBusy(route, { busy, writing, waitedMs: patience.drainMs })
    throwIfAborted(patience.signal)
    await delay(LOOK_MS)
  }
}

// $1 schema. Prepared transactions have no process.
const WRITING = `select count(distinct coalesce(l.pid::text, l.virtualtransaction))::int as writing
  from pg_locks l join pg_class c on c.oid = l.relation join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = $1 and l.locktype = 'relation' and l.granted and l.pid is distinct from pg_backend_pid()
    and l.database = (select oid from pg_database where datname = current_database())
    and l.mode in ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')`

/** Transactions that have written into the tenant's tables and are open; of tables that tenants share nobody knows whose rows they are. */
async function writingNow({ from: { lifecycle }, tenant }: Route): Promise<number> {
  const place = placeOf(lifecycle, tenant)
  if (place.tenantColumn !== undefined) return 0
  const [row] = await atHome(lifecycle, place, (admin) => admin.run(WRITING, [place.schema]))
  return Number(row?.writing)
}

function stillBusy(
  { tenant }: Route,
  found: { readonly busy: number; readonly writing: number; readonly waitedMs: number },
): TenancyError {
  const { busy, writing, waitedMs } = found
  const what = [
    ...(busy > 0 ? [`${busy} job(s) of this tenant are still in the hands of workers`] : []),
    ...(writing > 0
      ? [
          `${writing} transaction(s) that write to this tenant past its scopes are open (pg_locks, pg_prepared_xacts)`,
        ]
      : []),
  ]
  return new TenancyError(
    'TIMEOUT',
    `${what.join(', and ')} after ${waitedMs} ms. It is in service where it was. Run it again, or give it a longer drain.`,
    { details: { tenant, busy, writing, waitedMs } },
  )
}
