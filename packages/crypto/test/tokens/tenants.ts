import type { Tenancy, TenantDb } from '@org/pg-tenant'
import { beforeAll } from 'vitest'
import { DENIED_JTI_MIGRATION, REFRESH_TOKEN_MIGRATION } from '../../src/tokens/index.ts'
import { useWorld } from '../support/world.ts'

/** A world whose tenants have the tables of this package, and what tests do in it. */
export function useTokenWorld(tenants: readonly string[] = ['acme', 'globex'], connections = 4) {
  const world = useWorld([])
  const state: { tenancy?: Tenancy } = {}
  beforeAll(async () => {
    state.tenancy = world.tenancy({
      pool: world.pool({ max: connections }),
      migrations: [DENIED_JTI_MIGRATION, REFRESH_TOKEN_MIGRATION],
    })
    for (const tenant of tenants) await state.tenancy.provision(tenant)
  })
  const tenancy = () => state.tenancy!
  return {
    world,
    tenancy,
    /** in a transaction of its own */
    in: <T>(tenant: string, work: (db: TenantDb) => Promise<T>): Promise<T> =>
      tenancy().withTenant(tenant, work),
    /** rows as they stand in a tenant's schema */
    rows: async (tenant: string, sql: string, values: unknown[] = []) =>
      (await tenancy().query<Record<string, unknown>>(tenant, sql, values)).rows,
    /** lets time pass for a tenant: all its refresh tokens become so many seconds older */
    age: (tenant: string, seconds: number) =>
      tenancy().withTenant(tenant, async (db) => {
        const by = `make_interval(secs => ${seconds})`
        await db.query(`update refresh_token set issued_at = issued_at - ${by}, expires_at = expires_at - ${by},
          rotated_at = rotated_at - ${by}`)
        await db.query(`update refresh_token_family set created_at = created_at - ${by},
          used_at = used_at - ${by}, expires_at = expires_at - ${by}, revoked_at = revoked_at - ${by}`)
      }),
  }
}
