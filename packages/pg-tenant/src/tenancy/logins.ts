import type { Sealing } from '@org/core'
import { keeperOf } from '../credentials/credentials.ts'
import type { CredentialKeeper, SuppliedCredentials } from '../credentials/keeper.ts'
import type { PoolLike } from '../driver/types.ts'
import { databaseOf, type Naming, roleOf } from '../isolation/names.ts'
import type { MakePool } from '../isolation/tenant-pool.ts'
import { tenantPoolSource } from '../isolation/tenant-pool-source.ts'
import { TenantPools } from '../isolation/tenant-pools.ts'
import { traitsOf } from '../isolation/traits.ts'
import { learnNames } from '../registry/learn-names.ts'
import type { RegistryPlace } from '../registry/registry.ts'

/** What a level is opened over. */
export interface LevelContext {
  readonly pool: PoolLike
  readonly naming: Naming
  readonly registry: RegistryPlace
  /** Milliseconds a scope waits for a connection. */
  readonly connectionTimeout: number
  /** Whether their schemas are spread over several nodes. */
  readonly distributed: boolean
}

/** Where tenants log in by themselves: who keeps their passwords, and their connections. */
export interface Logins {
  readonly keeper: CredentialKeeper
  readonly pools: TenantPools
}

/** Its options, checked. */
export interface LoginSettings {
  readonly credentials: SuppliedCredentials | Sealing
  readonly maxConnections: number
  readonly maxPerTenant: number
  readonly create: MakePool | undefined
}

export function openLogins(
  level: 'login' | 'database',
  { pool, naming, registry, connectionTimeout }: LevelContext,
  { credentials, maxConnections, maxPerTenant, create }: LoginSettings,
): Logins {
  const keeper = keeperOf(credentials, pool, registry)
  const { ownDatabase } = traitsOf(level)
  const source = tenantPoolSource({
    application: pool,
    keeper,
    create,
    maxPerTenant,
    connectMs: connectionTimeout,
    roleOf: (tenant) => roleOf(naming, tenant),
    databaseOf: (tenant) => (ownDatabase ? databaseOf(naming, tenant) : undefined),
    learnNames: (tenant) => learnNames(pool, registry, tenant),
  })
  return {
    keeper,
    pools: new TenantPools(source, { maxConnections, maxPerTenant, waitMs: connectionTimeout }),
  }
}
