import { randomUUID } from 'node:crypto'
import type { TenantKey } from '@org/core'
import { type Admin, inAdminTransaction } from '../admin/transaction.ts'
import { changedMeanwhile, requireClaimed } from '../registry/arrival.ts'
import { recordOf } from '../registry/registry.ts'
import { qualify } from '../sql/identifier.ts'
import { type MoveState, openMove, saveMove } from './ledger.ts'
import type { Route, Side } from './route.ts'

// A mover may stop for as long as its machine likes (a paused VM, a cut connection) and go on when others have long finished its
// move, undone it or begun another. So each run has a name of its own: the ledger where the tenant leaves has it, and so does the
// cluster it comes to; and whatever changes or destroys something asks for it in the same transaction.

export const newRun = (): string => randomUUID()

/**
 * Whoever was away for long finds that somebody else has gone on, or called it off.
 *
 * @param state none: no move of the tenant is under way
 * @throws TenancyError CONFLICT
 */
export async function requireOurs(
  admin: Admin,
  { lifecycle: { registry } }: Side,
  tenant: TenantKey,
  state: MoveState | undefined,
): Promise<void> {
  const now = await openMove(admin, registry, tenant)
  const same = ({ startedAt, reached, run }: Partial<MoveState> = {}) => [startedAt, reached, run].join(' ')
  if (same(now) !== same(state)) throw changedMeanwhile(tenant)
}

/** Writes down that it has come further, or that another run goes on with it. */
export async function advance(
  { from, tenant }: Route,
  state: MoveState,
  next: MoveState,
): Promise<MoveState> {
  const { adminPool, registry } = from.lifecycle
  await inAdminTransaction(adminPool, async (admin) => {
    await recordOf(admin, registry, tenant)
    await requireOurs(admin, from, tenant, state)
    await saveMove(admin, registry, tenant, next)
  })
  return next
}

/**
 * From here on nobody but this run touches what arrives. Whoever was there before and is still at it is refused, or waited for.
 *
 * @throws TenancyError CONFLICT, TIMEOUT
 */
export async function claim(route: Route, state: MoveState | undefined, run = state?.run): Promise<void> {
  const { from, tenant, to } = route
  const { adminPool, registry } = to.lifecycle
  const table = qualify(registry.controlSchema, 'tenant_arrival')
  await inAdminTransaction(adminPool, (admin) =>
    admin.run(
      `insert into ${table} (prefix, key, run) values ($1, $2, $3) on conflict (prefix, key) do update set run = excluded.run`,
      [registry.prefix, tenant, String(run)],
    ),
  )
  // guard: who claims late takes it from who has gone on, but touches nothing
  await inAdminTransaction(from.lifecycle.adminPool, (admin) => requireOurs(admin, from, tenant, state))
}

/** That what arrives is still this run's. @throws TenancyError CONFLICT */
export async function stillClaimed({ tenant, to: { lifecycle } }: Route, state: MoveState): Promise<void> {
  const { adminPool, registry } = lifecycle
  await inAdminTransaction(adminPool, (admin) => requireClaimed(admin, registry, tenant, state.run))
}
