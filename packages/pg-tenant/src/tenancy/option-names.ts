import type { OptionNames } from '@org/core'
import type { RowOptions } from '../isolation/row.ts'
import type { LookupOptions } from '../registry/lookups.ts'
import { SCOPE_DEFAULTS } from '../scope/options.ts'
import type { TenantPoolsOptions } from './levels.ts'
import type { TenancyOptions } from './options.ts'

/** The options of `createTenancy`; anything else is refused by name. The compiler keeps each list complete. */

export const TENANCY: OptionNames<TenancyOptions> = {
  pool: true,
  adminPool: true,
  isolation: true,
  migrations: true,
  allowSchemas: true,
  controlSchema: true,
  onForget: true,
  belongings: true,
  onProvision: true,
  checks: true,
  minimumVersion: true,
  lookups: true,
  credentials: true,
  tenantPools: true,
  databaseTemplate: true,
  distributedSchemas: true,
  row: true,
  schemaPrefix: true,
  rolePrefix: true,
  sharedSchemas: true,
  sharedTables: true,
  schemaOf: true,
  roleOf: true,
  databaseOf: true,
  types: true,
  keepStatements: true,
  maxTenantsPerConnection: true,
  ...SCOPE_DEFAULTS,
}

/** Options of `createTenancy` that hold options. */
export const WITHIN = {
  lookups: {
    maxAge: true,
    max: true,
    listen: true,
    onListenError: true,
  } satisfies OptionNames<LookupOptions>,
  tenantPools: {
    maxConnections: true,
    maxPerTenant: true,
    create: true,
  } satisfies OptionNames<TenantPoolsOptions>,
  row: {
    schema: true,
    tenantColumn: true,
    referenceTables: true,
    views: true,
  } satisfies OptionNames<RowOptions>,
  retry: { attempts: true, backoff: true },
  minimumVersion: { id: true, waitMs: true },
} as const
