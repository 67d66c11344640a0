import { type OptionNames, requireKnownOptions, TRACES } from '@org/core'
import type { AdoptOptions, ConfirmOptions, SettleOptions, UndoOptions } from '../adoption/options.ts'
import type { BackupOptions } from '../archive/backup-options.ts'
import type { ExportOptions } from '../archive/export/export.ts'
import type { RestoreOptions } from '../archive/restore/options.ts'
import type { DiagnoseOptions } from '../doctor/diagnose.ts'
import type { MigrationStatusOptions } from '../fleet/status.ts'
import type { ProvisionOptions } from '../lifecycle/provision.ts'
import type { OffboardOptions } from '../offboard/options.ts'
import type { ListOptions } from '../registry/read.ts'
import { FACTS } from '../registry/record.ts'
import type { StatsOptions } from '../stats/stats.ts'
import type { VerifyOptions } from '../verify/verify.ts'
import { type Administrator, withAdministrator } from './administrator.ts'
import type { EachOptions } from './each.ts'

const SETTLING = {
  lockTimeout: true,
  maxLockTime: true,
  attempts: true,
} satisfies OptionNames<SettleOptions>

/** Options of calls, by the call; where they stand among its arguments. */
const CALLS = {
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
      ...FACTS,
      reuseDeletedKey: true,
      fromReady: true,
    } satisfies OptionNames<ProvisionOptions>,
  ],
  adopt: [
    1,
    {
      schema: true,
      role: true,
      database: true,
      password: true,
      newPassword: true,
      baseline: true,
      drift: true,
      dryRun: true,
      ...FACTS,
      reuseDeletedKey: true,
      lockTimeout: true,
      maxLockTime: true,
      attempts: true,
    } satisfies OptionNames<AdoptOptions>,
  ],
  confirmAdoption: [1, { ...SETTLING, endSessions: true } satisfies OptionNames<ConfirmOptions>],
  undoAdoption: [1, { ...SETTLING, code: true } satisfies OptionNames<UndoOptions>],
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
type Calls = { readonly [name: string]: Call }

/**
 * The administrative calls of a tenancy: options that there are not are refused before anything is sent, and what a role
 * lacks is said in terms of the pools that createTenancy was given.
 */
export function atTheEdge<T extends { readonly [name in keyof typeof CALLS]: Call }>(
  tenancy: T,
  administrator: Administrator,
): T {
  const edge = (name: string, call: Call): Call => {
    const [at, names] = CALLS[name as keyof typeof CALLS] ?? []
    return async (...args) => {
      if (at !== undefined) requireKnownOptions(args[at], names)
      try {
        return await TRACES.operation.trace(
          () => ({ operation: name, tenant: tenantAmong(args) }),
          async () => call(...args),
        )
      } catch (error) {
        throw withAdministrator(error, administrator)
      }
    }
  }
  const edged = Object.entries<Call | Calls>({ ...tenancy }).map(([name, calls]): [string, unknown] => {
    if (typeof calls === 'function') return [name, edge(name, calls)]
    const within = Object.entries(calls).map(([inner, call]) => [inner, edge(`${name}.${inner}`, call)])
    return [name, Object.freeze(Object.fromEntries(within))]
  })
  return { ...tenancy, ...Object.fromEntries(edged) }
}

/** Only a key of a tenant: what else somebody passed there is not for those who listen. */
function tenantAmong([first]: readonly unknown[]): string | undefined {
  return typeof first === 'string' && /^[a-z0-9][a-z0-9_-]{0,62}$/.test(first) ? first : undefined
}
