import {
  codedControl,
  type OptionNames,
  parseTenantKey,
  type Queryable,
  requireKnownOptions,
} from '@org/core'
import { AUDIT_LOG } from '../audit/tables.ts'
import { parseControlSchema } from '../control/control-schema.ts'
import { pinnedControl } from '../control/pinned.ts'
import { integerOption, invalidField, invalidOption } from '../input/input.ts'
import { qualify } from '../sql/identifier.ts'
import type { TenantScopes } from '../tenants/scopes.ts'
import type { Archive } from './archive.ts'
import { checkUpkeep, type RetentionFinding } from './check.ts'
import { type LegalHold, listHolds, placeHold, releaseHold } from './holds.ts'
import { type ProfileName, RETENTION_PROFILES, type RetentionProfile } from './profiles.ts'
import { type AuditUpkeep, isInstalled, keepAudit, keepUsage, type Removed } from './shared.ts'
import { checkTenantTables, keepTenants, type TenantsRemoved, type TenantTable } from './tenant-tables.ts'

export interface RetentionOptions {
  /** The profile of the product, or one of its own (default `mvp`). */
  readonly profile?: ProfileName | RetentionProfile | undefined
  /** The `auditLog`: what is removed of it is signed for. Without it nothing is asked about seals. */
  readonly audit?: AuditUpkeep | undefined
  /** Where what leaves the audit log goes, in profiles that archive (required there): `archiveTo(directory)`. */
  readonly archive?: Archive | undefined
  /** Tables of every tenant whose rows go after a time (default none). */
  readonly tenantTables?: readonly TenantTable[] | undefined
  /** Rows deleted in one transaction, 1 to 100,000 (default 5,000). */
  readonly batch?: number | undefined
  /** As it was installed (default `governance`). */
  readonly controlSchema?: string | undefined
}

/** Made by {@link retention}. */
export interface Retention {
  /**
   * Looks after the tables that tenants share: makes partitions ahead, archives and drops what is past keeping, keeps what is
   * under a hold. At level `database` once in each tenant's database.
   *
   * @param admin the tables' owner, connected directly
   * @param options.control where holds are (default: `admin`)
   * @param options.dryRun only says what would be removed
   * @throws TenancyError SERVICE_UNAVAILABLE, DATABASE_ERROR; what the archive threw, and then nothing of that part was removed
   */
  runShared(
    admin: Queryable,
    options?: { readonly control?: Queryable | undefined; readonly dryRun?: boolean | undefined },
  ): Promise<readonly Removed[]>
  /**
   * Looks after tenants' own tables, in batches, each in the tenant's scope. When nothing is due it costs one query, however
   * many tenants there are.
   */
  runTenants(
    control: Queryable,
    scopes: TenantScopes,
    options?: { readonly dryRun?: boolean | undefined },
  ): Promise<TenantsRemoved>
  /** Lets tenants take part: when they are provisioned. May be repeated. */
  enrol(control: Queryable, tenants: readonly string[]): Promise<void>
  /** Takes a tenant out: for `onForget`. Its holds stay, as a record. */
  forget(control: Queryable, tenant: string): Promise<void>
  /** Nothing of this tenant is removed until {@link release}. @returns whether there was no hold before */
  hold(control: Queryable, tenant: string, reason: string): Promise<boolean>
  /** @returns whether there was a hold */
  release(control: Queryable, tenant: string): Promise<boolean>
  holds(control: Queryable): Promise<readonly LegalHold[]>
  /** What is wrong or will be: for `doctor`. */
  check(admin: Queryable): Promise<readonly RetentionFinding[]>
}

const RETENTION_OPTIONS: OptionNames<RetentionOptions> = {
  profile: true,
  audit: true,
  archive: true,
  tenantTables: true,
  batch: true,
  controlSchema: true,
}

/**
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { installAudit } from '@org/governance/audit'
 * import { installRetention, retention } from '@org/governance/retention'
 *
 * await installAudit(adminPool, { isolation: tenancy.isolation, rolePrefix })
 * await installRetention(adminPool)
 * const keeping = retention({ profile: 'mvp' })
 * await keeping.enrol(adminPool, ['acme']) // when it is provisioned
 * await keeping.runShared(adminPool) // once a day
 * await keeping.runTenants(adminPool, tenancy)
 * ```
 */
export function retention(options: RetentionOptions = {}): Retention {
  requireKnownOptions(options, RETENTION_OPTIONS)
  const { audit, archive } = options
  const profile = profileOf(options.profile)
  if (profile.auditArchiveMonths > 0 && typeof archive !== 'function') {
    throw invalidOption('archive', 'given: this profile archives the audit log before it is removed')
  }
  const schema = parseControlSchema(options.controlSchema)
  const tables = checkTenantTables(options.tenantTables ?? [])
  const batch = integerOption('batch', options.batch ?? 5_000, 1, 100_000)
  const INSTALL = 'installRetention(admin)'
  const coded = (control: Queryable) => codedControl(control, INSTALL)
  const pinned = (admin: Queryable) => pinnedControl(admin, INSTALL)
  const heldOf = async (control: Queryable) =>
    (await listHolds(coded(control), schema)).map(({ tenant }) => tenant)
  const schedule = qualify(schema, 'retention_schedule')
  return {
    runShared: async (admin, { control = admin, dryRun = false } = {}) => {
      const held = await heldOf(control)
      const work = {
        admin: pinned(admin),
        outside: coded(admin),
        schema,
        profile,
        held,
        holds: () => heldOf(control),
        batch,
        dryRun,
        audit,
        archive,
      }
      const removed: Removed[] = []
      if (await isInstalled(work.admin, schema, AUDIT_LOG.table)) removed.push(await keepAudit(work))
      if (await isInstalled(work.admin, schema, 'usage_delta')) removed.push(...(await keepUsage(work)))
      return removed
    },
    runTenants: async (control, scopes, { dryRun = false } = {}) => {
      const held = await heldOf(control)
      return keepTenants({ control: pinned(control), scopes, schema, tables, held, batch, dryRun })
    },
    enrol: async (control, tenants) => {
      if (!Array.isArray(tenants)) throw invalidField('tenants', 'an array of keys')
      await coded(control).query(
        `insert into ${schedule} (tenant, name) select t, n from unnest($1::text[]) t, unnest($2::text[]) n
          order by t, n on conflict do nothing`,
        [tenants.map((tenant) => parseTenantKey(tenant, { prefix: '' })), tables.map(({ table }) => table)],
      )
    },
    forget: async (control, tenant) => {
      await coded(control).query(`delete from ${schedule} where tenant = $1::text`, [
        parseTenantKey(tenant, { prefix: '' }),
      ])
    },
    hold: async (control, tenant, reason) => placeHold(coded(control), schema, tenant, reason),
    release: async (control, tenant) => releaseHold(coded(control), schema, tenant),
    holds: async (control) => listHolds(coded(control), schema),
    check: async (admin) => checkUpkeep(pinned(admin), schema),
  }
}

function profileOf(profile: unknown = 'mvp'): RetentionProfile {
  const found =
    typeof profile === 'string' && Object.hasOwn(RETENTION_PROFILES, profile)
      ? RETENTION_PROFILES[profile as ProfileName]
      : profile
  if (typeof found !== 'object' || found === null)
    throw invalidOption('profile', 'mvp, standard, enterprise or numbers')
  const own = found as RetentionProfile
  return {
    auditDays: days(own, 'auditDays', 1),
    auditArchiveMonths: days(own, 'auditArchiveMonths', 0),
    usageMonths: days(own, 'usageMonths', 1),
    usageDeltaDays: days(own, 'usageDeltaDays', 2),
  }
}

function days(profile: RetentionProfile, name: keyof RetentionProfile, min: number): number {
  return integerOption(`profile.${name}`, profile[name], min, 36_500)
}
