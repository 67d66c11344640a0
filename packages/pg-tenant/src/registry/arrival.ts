import { TenancyError, type TenantKey } from '@org/core'
import type { Admin } from '../admin/transaction.ts'
import { qualify } from '../sql/identifier.ts'
import type { TenantStatus } from './record.ts'
import type { RegistryPlace } from './registry.ts'

const tableOf = ({ controlSchema }: RegistryPlace) => qualify(controlSchema, 'tenant_arrival')

/**
 * That what arrives of a tenant is this run's, until the transaction ends: another that claims it waits.
 *
 * @param run of a move
 * @throws TenancyError CONFLICT when another run has gone on meanwhile
 */
export async function requireClaimed(
  admin: Admin,
  place: RegistryPlace,
  tenant: TenantKey,
  run: string | undefined,
): Promise<void> {
  const found = await admin.run(
    `select from ${tableOf(place)} where prefix = $1 and key = $2 and run = $3 for share`,
    [place.prefix, tenant, run ?? null],
  )
  // guard: whoever was away for long touches nothing of who has gone on
  if (found.length === 0) throw changedMeanwhile(tenant)
}

/** The same, of a tenant that is still out of service there. */
export async function requireArriving(
  admin: Admin,
  place: RegistryPlace,
  tenant: TenantKey,
  run: string,
  status: TenantStatus | undefined,
): Promise<void> {
  await requireClaimed(admin, place, tenant, run)
  if (status !== 'arriving') throw changedMeanwhile(tenant)
}

/** Another run of the move has gone on with it, or called it off. */
export function changedMeanwhile(tenant: TenantKey): TenancyError {
  return new TenancyError(
    'CONFLICT',
    'Somebody else finished or called off this move meanwhile. Run it again to see how it stands.',
    { details: { tenant } },
  )
}
