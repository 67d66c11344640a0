import { parseTenantKey, type TenantQueryable } from '@org/core'
import type { Control } from './control.ts'

/** What `@org/governance` asks of a tenancy, over the control schemas: operators' requests are done, and answered, there. */
export function controlScopes(control: Control) {
  return {
    withTenant: <T>(tenant: string, work: (db: TenantQueryable) => Promise<T>): Promise<T> =>
      control.transaction((tx) => work({ tenant: parseTenantKey(tenant), query: tx.query })),
  }
}
