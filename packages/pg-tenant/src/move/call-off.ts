import { isTenancyError, TenancyError } from '@org/core'
import { inAdminTransaction } from '../admin/transaction.ts'
import { prepare } from '../lifecycle/prepare.ts'
import type { TenantRecord } from '../registry/record.ts'
import { recordOf } from '../registry/registry.ts'
import { tenantNotFound } from '../registry/require-tenants.ts'
import { unpublish } from './ahead/publication.ts'
import { discardArrival } from './arrive.ts'
import { advance, claim, newRun } from './claim.ts'
import { reopen } from './close.ts'
import { type MoveState, openMove } from './ledger.ts'
import { type Route, refused } from './route.ts'

/** The tenant where it leaves, and the move of it that is under way. @throws TenancyError TENANT_NOT_FOUND */
export async function standing({
  from,
  tenant,
  to,
}: Route): Promise<{ record: TenantRecord; open: MoveState | undefined }> {
  const { adminPool, registry } = from.lifecycle
  return await inAdminTransaction(adminPool, async (admin) => {
    const record = await recordOf(admin, registry, tenant)
    if (!record || (record.status === 'deleted' && record.placement !== to.name)) throw tenantNotFound(tenant)
    return { record, open: await openMove(admin, registry, tenant) }
  })
}

/** Goes on with what another run has begun, which changes nothing where the tenant leaves any more. */
export const renew = (route: Route, open: MoveState) => advance(route, open, { ...open, run: newRun() })

/** The same, and nothing where it comes to. */
export async function takeOver(route: Route, open: MoveState): Promise<MoveState> {
  const ours = await renew(route, open)
  await claim(route, ours)
  return ours
}

/** @param published the publication of this very attempt, which goes on or takes it back itself */
export async function callOff(route: Route, state: MoveState, published?: string): Promise<void> {
  await reopen(route.from, route.tenant, state)
  await unpublish(route, { but: published })
  await discardArrival(route, state)
}

/**
 * What failed before it changed hands is called off as far as it has come, which may be further than its answers said: a COMMIT that
 * nobody answered holds the tenant's row until it is through, and is waited for. Where that fails too (a server is gone) it is still
 * under way, and running it again goes on.
 */
export async function callOffIfOurs(route: Route, { run }: MoveState, published?: string): Promise<void> {
  try {
    const { open } = await standing(route)
    if (open && open.run === run && open.reached !== 'switched') await callOff(route, open, published)
  } catch {
    // What failed first is what the caller is told.
  }
}

/** @throws TenancyError CONFLICT when it has changed hands */
export async function undo(route: Route, open: MoveState | undefined): Promise<boolean> {
  if (open?.reached === 'switched') throw refused(route, 'switched', SWITCHED)
  const state = open && (await renew(route, open))
  const run = state?.run ?? newRun()
  // It is put back into service although the cluster it was to go to has gone for good.
  const claimed = await prepare(route.to.lifecycle)
    .then(() => claim(route, state, run))
    .then(
      () => true,
      (error: unknown) => {
        if (!state || !isTenancyError(error, 'CONNECTION_LOST')) throw error
      },
    )
  if (state) await reopen(route.from, route.tenant, state)
  await unpublish(route)
  if (!claimed) throw away(route)
  await discardArrival(route, { run })
  return state !== undefined
}

function away({ tenant, from, to }: Route): TenancyError {
  return new TenancyError(
    'CONNECTION_LOST',
    `The move is called off: the tenant is in ${from.name} as it was. ${to.name} did not answer; what was copied to it stays there, ` +
      'out of service, until this is run again, or the tenant is moved there.',
    { details: { tenant, reason: 'away', placement: to.name } },
  )
}

const SWITCHED = 'The tenant has changed hands: run the move again to finish it, then move it back.'
