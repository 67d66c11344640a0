import { TenancyError, type TenantKey } from '@org/core'
import type { PoolConfig } from 'pg'
import { configOf, loadPg } from '../driver/connection-config.ts'
import type { PoolLike } from '../driver/types.ts'
import type { CredentialFinder } from './credentials.ts'
import type { MakePool, OwnPool, PoolSource } from './tenant-pool.ts'

export interface PoolSourceOptions {
  /** Its settings are those of the tenants' pools, except for who connects. */
  readonly application: PoolLike
  readonly keeper: CredentialFinder
  readonly create: MakePool | undefined
  readonly maxPerTenant: number
  /** Milliseconds making a connection may take: it holds its place in the budget meanwhile. */
  readonly connectMs: number
  /** Asks what names the tenant has, so that what follows knows them. */
  learnNames(tenant: TenantKey): Promise<void>
  roleOf(tenant: TenantKey): string
  /** The tenant's own database, if it has one. */
  databaseOf(tenant: TenantKey): string | undefined
}

/** Pools that connect as the application's does, with a tenant's credentials. */
export function tenantPoolSource(options: PoolSourceOptions): PoolSource {
  const { application, keeper, create = newPgPool, maxPerTenant, connectMs } = options
  return {
    fetch: async (tenant) => {
      const named = options.databaseOf(tenant) === undefined ? undefined : options.learnNames(tenant)
      const [found] = await Promise.all([keeper.find(tenant), named])
      if (found && found.user === undefined && !named) await options.learnNames(tenant)
      if (found) return found
      throw new TenancyError(
        'SCHEMA_MISSING',
        'There are no credentials of this tenant. Run provision(key) first; nothing was executed.',
      )
    },
    open: async (tenant, credentials, password) => {
      const base = await configOf(application, 'pool')
      return await create({
        ...base,
        user: credentials.user ?? options.roleOf(tenant),
        password,
        host: credentials.host ?? base.host,
        port: credentials.port ?? base.port,
        database: credentials.database ?? options.databaseOf(tenant) ?? base.database,
        ...(credentials.ssl !== undefined && { ssl: credentials.ssl as NonNullable<PoolConfig['ssl']> }),
        max: maxPerTenant,
        min: 0,
        connectionTimeoutMillis: base.connectionTimeoutMillis || connectMs,
      })
    },
  }
}

async function newPgPool(config: PoolConfig): Promise<OwnPool> {
  const pg = await loadPg()
  return new pg.Pool(config)
}
