import { type OptionNames, requireKnownOptions } from '@org/core'
import type { BackupOptions } from '../archive/backup-options.ts'
import type { ExportOptions } from '../archive/export/export.ts'
import type { RestoreOptions } from '../archive/restore/options.ts'
import type { DiagnoseOptions } from '../doctor/diagnose.ts'
import type { MigrationStatusOptions } from '../fleet/status.ts'
import type { RowOptions } from '../isolation/row-place.ts'
import type { ProvisionOptions } from '../lifecycle/provision.ts'
import type { OffboardOptions } from '../offboard/options.ts'
import type { LookupOptions } from '../registry/lookups.ts'
import type { ListOptions } from '../registry/read.ts'
import type { StatsOptions } from '../stats/stats.ts'
import type { VerifyOptions } from '../verify/verify.ts'
import type { Administrator } from './administrator.ts'
import type { EachOptions } from './each.ts'
import type { TenancyOptions } from './interface.ts'
import type { TenantPoolsOptions } from './levels.ts'

/** The options there are; anything else is refused by name. The compiler keeps each list complete. */

export const TENANCY: OptionNames<TenancyOptions> = {
  pool: true,
  adminPool: true,
  isolation: true,
  migrations: true,
  allowSchemas: true,
  controlSchema: true,
  onForget: true,
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
  types: true,
  statementTimeout: true,
  lockTimeout: true,
  idleTimeout: true,
  connectionTimeout: true,
  retry: true,
  resolveUnknownOutcome: true,
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

/** Options of calls, by the call; where they stand among its arguments. */
export const CALLS = {
  each: [
    1,
    {
      concurrency: true,
      after: true,
      maxFailures: true,
      signal: true,
      scopeOptions: true,
      onTenant: true,
    } satisfies OptionNames<EachOptions>,
  ],
  provision: [
    1,
    {
      plan: true,
      placement: true,
      reuseDeletedKey: true,
      fromReady: true,
    } satisfies OptionNames<ProvisionOptions>,
  ],
  list: [0, { status: true, after: true, limit: true } satisfies OptionNames<ListOptions>],
  migrationStatus: [0, { limit: true, only: true } satisfies OptionNames<MigrationStatusOptions>],
  doctor: [0, { limit: true, reference: true, connections: true } satisfies OptionNames<DiagnoseOptions>],
  verify: [0, { tenants: true, against: true, concurrency: true } satisfies OptionNames<VerifyOptions>],
  stats: [0, { tenants: true, exact: true, activity: true } satisfies OptionNames<StatsOptions>],
  backup: [
    1,
    {
      to: true,
      format: true,
      compression: true,
      signal: true,
      programs: true,
      programEnvironment: true,
    } satisfies OptionNames<BackupOptions>,
  ],
  restore: [
    1,
    {
      from: true,
      force: true,
      reuseDeletedKey: true,
      verify: true,
      skipMigrations: true,
      signal: true,
      programs: true,
      programEnvironment: true,
    } satisfies OptionNames<RestoreOptions>,
  ],
  export: [
    1,
    {
      to: true,
      format: true,
      includeSecrets: true,
      keepFormulas: true,
      signal: true,
    } satisfies OptionNames<ExportOptions>,
  ],
  offboard: [
    1,
    {
      confirm: true,
      backup: true,
      drain: true,
      onBusy: true,
      requestedBy: true,
      lose: true,
      signal: true,
    } satisfies OptionNames<OffboardOptions>,
  ],
} as const

type Call = (...args: never[]) => Promise<unknown>

/**
 * The administrative calls of a tenancy: options that there are not are refused before anything is sent, and what a role
 * lacks is said in terms of the pools that createTenancy was given.
 */
export function atTheEdge<T extends { readonly [name in keyof typeof CALLS]: Call }>(
  tenancy: T,
  administrator: Administrator,
): T {
  const edged = Object.keys(tenancy).flatMap((name): [string, unknown][] => {
    const call = tenancy[name as keyof typeof CALLS]
    if (typeof call !== 'function' || SYNCHRONOUS.has(name)) return []
    const [at, names] = CALLS[name as keyof typeof CALLS] ?? []
    const edge = async (...args: never[]): Promise<unknown> => {
      if (at !== undefined) requireKnownOptions(args[at], names)
      try {
        return await call(...args)
      } catch (error) {
        const { withAdministrator } = await import('./administrator.ts')
        throw withAdministrator(error, administrator)
      }
    }
    return [[name, edge]]
  })
  return { ...tenancy, ...Object.fromEntries(edged) }
}

/** Calls that return at once, and those of every request. */
const SYNCHRONOUS: ReadonlySet<string> = new Set([
  'withTenant',
  'query',
  'open',
  'pool',
  'pg',
  'schemaOf',
  'lookup',
])
