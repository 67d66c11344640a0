import { TenancyError, type TenantKey } from '@org/core'

export function changedMeanwhile(tenant: TenantKey): TenancyError {
  return new TenancyError(
    'CONFLICT',
    'Somebody else finished or called off this off-boarding meanwhile. Run it again to see how it stands.',
    { details: { tenant } },
  )
}
