import type { TenantKey } from '@org/core'
import { qualify } from '../sql/identifier.ts'
import type { Entrance } from './isolation.ts'
import { markerOf, type Naming, schemaOf } from './names.ts'

/**
 * What keeps the schema of a tenant there until the transaction ends, and raises unless it is usable (hazard b).
 *
 * Where schemas are distributed the marker is selected from but nothing is fetched: parsing takes the lock and checks the schema,
 * binding checks the rights to the table (`InitPlan`), both on the coordinator. LOCK TABLE would be sent to every node of the
 * cluster, one after the other, and fail for all tenants while one of them is down.
 */
export function pinOf(
  naming: Naming,
  tenant: TenantKey,
  distributed: boolean,
): Pick<Entrance, 'pin' | 'pinRuns'> {
  const marker = qualify(schemaOf(naming, tenant), markerOf(naming, tenant))
  return distributed
    ? { pin: `select from ${marker}`, pinRuns: false }
    : { pin: `lock table ${marker} in access share mode`, pinRuns: true }
}
