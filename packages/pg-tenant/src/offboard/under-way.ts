import { TenancyError, type TenantKey } from '@org/core'
import type { Admin } from '../admin/transaction.ts'
import { type RegistryPlace, recordOf } from '../registry/registry.ts'
import { latest, type Offboarding } from './ledger.ts'

/**
 * An off-boarding goes on only while it is the one under way: one that was called off is in service again; one that was finished by
 * somebody else, or by `drop`, may have made room for a new tenant of the key; and what is written since is in no backup of ours. The
 * tenant's record is locked from here on.
 *
 * @returns how far it has come
 * @throws TenancyError CONFLICT
 */
export async function requireUnderWay(
  admin: Admin,
  registry: RegistryPlace,
  tenant: TenantKey,
  { receipt }: Pick<Offboarding, 'receipt'>,
): Promise<Offboarding> {
  const record = await recordOf(admin, registry, tenant)
  const now = await latest(admin, registry, tenant)
  // guard: it is in service again, or another’s: what is written since is in no backup of ours
  if (record?.status !== 'deleting' || now?.receipt.startedAt !== receipt.startedAt)
    throw changedMeanwhile(tenant)
  return now
}

function changedMeanwhile(tenant: TenantKey): TenancyError {
  return new TenancyError(
    'CONFLICT',
    'Somebody else finished or called off this off-boarding meanwhile. Run it again to see how it stands.',
    { details: { tenant } },
  )
}
