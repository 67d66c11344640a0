import type { TenancyDirectory } from '../tenancy/directory.ts'
import type { Tenancy, TenantAccess } from '../tenancy/interface.ts'
import type { TenancyLife } from '../tenancy/life.ts'

/** What a fleet needs of a tenancy; `createTenancy` makes one for each cluster. */
export interface PlacedTenancy
  extends TenantAccess,
    Pick<TenancyLife, 'provision'>,
    Pick<TenancyDirectory, 'find'>,
    Partial<Pick<Tenancy, 'close'>> {}
