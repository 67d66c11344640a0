import { invalidOption, type TenantKey } from '@org/core'
import { ownNamesOf, rolePrefixAt, schemaOf } from '../isolation/names.ts'
import { type RegistryNames, requireOwnName } from '../isolation/own-names.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { factsOf, type TenantFacts } from '../registry/record.ts'
import type { Bounds } from './bounded.ts'

/** Options of {@link Tenancy.adopt}. */
export interface AdoptOptions extends TenantFacts {
  /** The schema that has the tenant's data, under the name it has (default: what `schemaOf` or the prefix says). */
  readonly schema?: string | undefined
  /** The name for the tenant's role (default: what `roleOf` or the prefix says). It is made, and must not be there. */
  readonly role?: string | undefined
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

/** Options of {@link Tenancy.confirmAdoption}. */
export type SettleOptions = Pick<AdoptOptions, 'lockTimeout' | 'maxLockTime' | 'attempts'>

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
  if (drift !== 'refuse' && drift !== 'accept') throw invalidOption('drift', '"refuse" or "accept"')
  if (typeof dryRun !== 'boolean') throw invalidOption('dryRun', 'true or false')
  if (baseline !== undefined && baseline !== null && !migrations.some(({ id }) => id === baseline))
    throw invalidOption('baseline', 'the id of one of the tenancy’s migrations, or null for none of them')
  return {
    ...parseBounds(options),
    tenant,
    schema,
    role,
    names: { schema: schemaName, role: roleName, database: named.database },
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
    if (!Number.isInteger(value) || value < 1 || value > most)
      throw invalidOption(name, `a whole number from 1 to ${most}`)
  }
  return { lockTimeout, maxLockTime, attempts }
}

/** @returns the name, and the same for the registry: null where prefix and key say it */
function nameOf(
  given: unknown,
  tenant: TenantKey,
  what: 'schema' | 'role',
  prefix: string,
  otherwise: readonly [name: string, registered: string | null],
): readonly [string, string | null] {
  if (given === undefined) return otherwise
  if (given === prefix + tenant) return [prefix + tenant, null]
  const name = requireOwnName(given, { tenant, prefix, option: what })
  return [name, name]
}
