import { parseTenantKey, type TenantKey } from '@org/core'
import type { Tenancy } from '@org/pg-tenant'
import { beforeAll } from 'vitest'
import { createRbacStore, installRbac, type RbacStoreOptions } from '../../src/store/index.ts'
import { catalog } from '../support/product.ts'
import { useWorld, type World } from '../support/world.ts'
import { MIGRATIONS } from './migrations.ts'

export const acme: TenantKey = parseTenantKey('acme')
export const globex: TenantKey = parseTenantKey('globex')

export type Store = ReturnType<RbacWorld['store']>

export interface RbacWorld {
  readonly world: World
  readonly tenancy: Tenancy
  /** A store as another process would have it: pools and memory of its own. */
  store(
    options?: Partial<RbacStoreOptions<'notes' | 'billing', Action, Package, Limit>>,
  ): ReturnType<typeof make>
}

type Action = keyof typeof catalog.actions
type Package = 'basic' | 'pro' | 'pay-2026'
type Limit = 'max_notes' | 'max_users' | 'max_storage_gb' | 'max_api_calls'

function make(world: World, options: Partial<RbacStoreOptions<'notes' | 'billing', Action, Package, Limit>>) {
  const tenants = world.tenancy({ migrations: MIGRATIONS })
  return createRbacStore({ catalog, control: world.pool(), tenants, apiKeys: true, ...options })
}

export function useRbac(isolation: 'role' | 'schema' = 'role'): RbacWorld {
  const world = useWorld([])
  let tenancy: Tenancy | undefined
  beforeAll(async () => {
    tenancy = world.tenancy({ migrations: MIGRATIONS, isolation })
    for (const tenant of [acme, globex]) await tenancy.provision(tenant)
    await installRbac(world.admin, { managers: [world.appRole] })
    await make(world, {}).syncCatalog()
  })
  return {
    world,
    get tenancy() {
      return tenancy as Tenancy
    },
    store: (options = {}) => make(world, { tenants: tenancy as Tenancy, ...options }),
  }
}

/** A tenant with an administrator and all packages. */
export async function seeded(rbac: RbacWorld, store: Store, tenant: TenantKey): Promise<string> {
  await store.assignPackage(tenant, 'pro')
  await store.assignPackage(tenant, 'pay-2026')
  const email = `admin-${crypto.randomUUID()}@example.com`
  const report = await rbac.tenancy.withTenant(tenant, (db) =>
    store.seed(db, {
      admin: { email, name: 'Ana' },
      package: 'basic',
      administration: ['notes.share.manage'],
    }),
  )
  return String(report.adminId)
}
