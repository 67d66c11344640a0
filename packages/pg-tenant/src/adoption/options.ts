import { integerOption, invalidOption, type TenantKey } from '@org/core'
import { isPassword } from '../credentials/password.ts'
import { databaseOf, ownNamesOf, rolePrefixAt, schemaOf } from '../isolation/names.ts'
import { type RegistryNames, requireOwnName } from '../isolation/own-names.ts'
import { traitsOf } from '../isolation/traits.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { factsOf, type TenantFacts } from '../registry/record.ts'
import type { Bounds } from './bounded.ts'

/** Options of {@link Tenancy.adopt}. */
export interface AdoptOptions extends TenantFacts {
  /** The schema that has the tenant's data, under the name it has (default: what `schemaOf` or the prefix says). */
  readonly schema?: string | undefined
  /**
   * The name for the tenant's role (default: what `roleOf` or the prefix says). It is made, and must not be there; but at levels
   * `login` and `database` one that is there and logs in is the tenant's from then on.
   */
  readonly role?: string | undefined
  /** Level `database`: the database that has its data, under the name it has (default: what `databaseOf` or the prefix says). */
  readonly database?: string | undefined
  /** The password of the login that is there, which it keeps; left out where `credentials(tenant)` says it. */
  readonly password?: string | undefined
  /**
   * Gives the login that is there a new password, which is in `connection`: whoever logs in with the old one cannot any more, and undoing
   * the adoption does not bring it back (default false).
   */
  readonly newPassword?: boolean | undefined
  /**
   * Id of the newest of `migrations` whose work is in the schema already; `null` for none of them. Default: what the ledger of
   * another tool in the schema says (drizzle, Prisma, Knex, TypeORM, Flyway, node-pg-migrate).
   */
  readonly baseline?: string | null | undefined
  /** `accept`: adopt it although it is not what the migrations up to the baseline make (default `refuse`). */
  readonly drift?: 'refuse' | 'accept' | undefined
  /** Only say what would be in the way; nothing is changed (default false). */
  readonly dryRun?: boolean | undefined
  /** Whether the key of a dropped tenant may be given out again (default false). */
  readonly reuseDeletedKey?: boolean | undefined
  /** Milliseconds to wait for the lock of one table, 1 to 60,000 (default 200): what comes behind it waits for as long. */
  readonly lockTimeout?: number | undefined
  /** Milliseconds at most for which tables are locked exclusively, 1 to 60,000 (default 800). */
  readonly maxLockTime?: number | undefined
  /** How often it is tried when tables are in use, 1 to 1,000 (default 20). */
  readonly attempts?: number | undefined
}

/** How long confirming or undoing may be in the way. */
export type SettleOptions = Pick<AdoptOptions, 'lockTimeout' | 'maxLockTime' | 'attempts'>

/** Options of {@link Tenancy.confirmAdoption}. */
export interface ConfirmOptions extends SettleOptions {
  /**
   * Ends the sessions in the tenant's database that earlier owners have open, and at levels `login` and `database` those of its own
   * login where it had earlier owners: one that became the tenant's role while it was allowed stays that until it ends (default false:
   * they go on). An application that was an earlier owner itself gets new connections from its pool; what runs on the old ones fails.
   */
  readonly endSessions?: boolean | undefined
}

/** Options of {@link Tenancy.undoAdoption}. */
export interface UndoOptions extends SettleOptions {
  /** `accept`: functions, views, triggers and policies that were made or changed since are given back, too (default `refuse`). */
  readonly code?: 'refuse' | 'accept' | undefined
}

/** What is to be adopted, checked. */
export interface Wanted extends Bounds {
  readonly tenant: TenantKey
  readonly schema: string
  readonly role: string
  /** Whether the caller has named it. */
  readonly saysRole: boolean
  /** The tenant's own database, where the level has one. */
  readonly database: string | undefined
  readonly password: string | undefined
  readonly newPassword: boolean
  readonly names: RegistryNames
  readonly baseline: string | null | undefined
  readonly acceptsDrift: boolean
  readonly dryRun: boolean
  readonly facts: TenantFacts
  readonly reuse: boolean
}

/** @throws TenancyError INVALID_OPTION */
export function parseAdopt(lifecycle: Lifecycle, tenant: TenantKey, options: AdoptOptions = {}): Wanted {
  const { level, migrations, naming, ofLevel } = lifecycle
  const { logsIn, ownDatabase } = traitsOf(level)
  const { baseline, drift = 'refuse', dryRun = false, reuseDeletedKey: reuse = false } = options
  const named = ownNamesOf(naming, tenant)
  const [schema, schemaName] = nameOf(options.schema, tenant, 'schema', naming.schemaPrefix, [
    schemaOf(naming, tenant),
    named.schema,
  ])
  const [role, roleName] = nameOf(options.role, tenant, 'role', rolePrefixAt(naming, level), [
    ofLevel.ownerOf(lifecycle, tenant) ?? '',
    named.role,
  ])
  if (options.database !== undefined && !ownDatabase)
    throw invalidOption('database', 'left out: at this isolation level tenants have none of their own')
  const [database, databaseName] = nameOf(options.database, tenant, 'database', naming.rolePrefix, [
    databaseOf(naming, tenant),
    named.database,
  ])
  const { password, newPassword = false } = options
  if (password !== undefined && !logsIn)
    throw invalidOption('password', 'left out: at this isolation level tenants do not log in')
  if (typeof newPassword !== 'boolean' || (newPassword && (!logsIn || password !== undefined)))
    throw invalidOption('newPassword', 'true or false, at levels login and database, without password')
  if (password !== undefined && !isPassword(password))
    throw invalidOption('password', '1 to 1,000 printable ASCII characters without spaces')
  if (drift !== 'refuse' && drift !== 'accept') throw invalidOption('drift', '"refuse" or "accept"')
  if (typeof dryRun !== 'boolean') throw invalidOption('dryRun', 'true or false')
  if (baseline !== undefined && baseline !== null && !migrations.some(({ id }) => id === baseline))
    throw invalidOption('baseline', 'the id of one of the tenancy’s migrations, or null for none of them')
  return {
    ...parseBounds(options),
    tenant,
    schema,
    role,
    saysRole: options.role !== undefined,
    database: ownDatabase ? database : undefined,
    password,
    newPassword,
    names: { schema: schemaName, role: roleName, database: ownDatabase ? databaseName : named.database },
    baseline,
    acceptsDrift: drift === 'accept',
    dryRun,
    facts: factsOf(options),
    reuse,
  }
}

/** @throws TenancyError INVALID_OPTION */
export function parseBounds({
  lockTimeout = 200,
  maxLockTime = 800,
  attempts = 20,
}: SettleOptions = {}): Bounds {
  for (const [name, value, most] of [
    ['lockTimeout', lockTimeout, 60_000],
    ['maxLockTime', maxLockTime, 60_000],
    ['attempts', attempts, 1_000],
  ] as const) {
    integerOption(name, value, 1, most)
  }
  return { lockTimeout, maxLockTime, attempts }
}

/** @returns the name, and the same for the registry: null where prefix and key say it */
function nameOf(
  given: unknown,
  tenant: TenantKey,
  what: 'schema' | 'role' | 'database',
  prefix: string,
  otherwise: readonly [name: string, registered: string | null],
): readonly [string, string | null] {
  if (given === undefined) return otherwise
  if (given === prefix + tenant) return [prefix + tenant, null]
  const name = requireOwnName(given, { tenant, prefix, option: what })
  return [name, name]
}
