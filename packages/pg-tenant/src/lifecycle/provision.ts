import { SQLSTATE, sqlStateOf, type TenantKey } from '@org/core'
import type { TenantConnection } from '../credentials/connection.ts'
import { ownNamesOf } from '../isolation/names.ts'
import { factsOf, type TenantFacts } from '../registry/record.ts'
import { register, registered } from '../registry/registry.ts'
import type { Applied } from './apply-migrations.ts'
import { refuseFallingThrough } from './falls-through.ts'
import { runOnProvision } from './hook.ts'
import type { Furnished, TenantWork } from './levels/level.ts'
import type { Lifecycle } from './lifecycle.ts'
import { claim } from './ready/claim.ts'
import { transferOwnership } from './transfer-ownership.ts'
import { onTenant } from './work.ts'

export interface ProvisionResult extends Furnished {
  /**
   * The tenant's own connection, at levels `login` and `database`, where a password was set now: the first time. It is
   * not shown again; `rotateCredentials` gives a new one.
   */
  readonly connection?: TenantConnection
  /** Whether it was made ahead and only given its names now. */
  readonly claimed?: true
}

/** Options of {@link Tenancy.provision}. */
export interface ProvisionOptions extends TenantFacts {
  /** Whether the key of a dropped tenant may be given out again (default false). */
  readonly reuseDeletedKey?: boolean | undefined
  /**
   * Whether a new tenant may be one that was made ahead (`tenancy.ready.fill`), which takes a few milliseconds. When there
   * is none it is made now (default false).
   */
  readonly fromReady?: boolean | undefined
}

/** See {@link Tenancy.provision}. */
export async function provision(
  lifecycle: Lifecycle,
  tenant: TenantKey,
  options: ProvisionOptions = {},
): Promise<ProvisionResult> {
  await transferOwnership(lifecycle, tenant, 'at everything')
  return await withTheRest(lifecycle, tenant, await provisionTwice(lifecycle, tenant, options))
}

/** Goes on, in further transactions or outside of any, where one could not apply all migrations. */
export async function withTheRest<R extends Applied>(
  lifecycle: Lifecycle,
  tenant: TenantKey,
  { more, ...done }: R,
): Promise<Omit<R, 'more'>> {
  const { migrateShared } = lifecycle.ofLevel
  if (more && migrateShared) {
    return { ...done, migrations: [...done.migrations, ...(await migrateShared(lifecycle))] }
  }
  let [migrations, rest] = [done.migrations, more]
  while (rest) {
    const next = await provisionOnce(lifecycle, tenant, {})
    migrations = [...migrations, ...next.migrations]
    rest = next.more
  }
  return { ...done, migrations }
}

async function provisionTwice(
  lifecycle: Lifecycle,
  tenant: TenantKey,
  options: ProvisionOptions,
): Promise<ProvisionResult> {
  try {
    return await provisionOnce(lifecycle, tenant, options)
  } catch (error) {
    if (!isMadeMeanwhile(error)) throw error
    return await provisionOnce(lifecycle, tenant, options)
  }
}

function provisionOnce(
  lifecycle: Lifecycle,
  tenant: TenantKey,
  options: ProvisionOptions,
): Promise<ProvisionResult> {
  const { level, naming, ofLevel, registry, migrations } = lifecycle
  const { reuseDeletedKey: reuse = false, fromReady = false } = options
  return onTenant(lifecycle, tenant, async (stage) => {
    const look = (admin: Parameters<typeof register>[0]) =>
      register(admin, registry, tenant, level, {
        ...factsOf(options),
        reuse,
        names: ownNamesOf(naming, tenant),
      })
    const ahead = ofLevel.staged ? await stage((work) => ofLevel.ensureRoles(work), look) : undefined
    const make = async (work: TenantWork): Promise<ProvisionResult> => {
      const connection = ofLevel.staged ? ahead : await ofLevel.ensureRoles(work)
      return { ...(await ofLevel.furnish(work)), ...(connection && { connection }) }
    }
    return await stage(async (work) => {
      await refuseFallingThrough(work)
      const claimed = fromReady && work.status === 'provisioning' ? await claim(work) : undefined
      const result = claimed ? { ...claimed, claimed: true as const } : await make(work)
      await runOnProvision(work)
      if (work.status === 'suspended') await ofLevel.takeOutOfService(work)
      await registered(work.admin, registry, tenant, migrations.at(-1)?.id)
      return result
    }, look)
  })
}

/** Or the unique index behind them, when two create at once. */
const ALREADY_THERE: readonly unknown[] = [
  SQLSTATE.DUPLICATE_OBJECT,
  SQLSTATE.DUPLICATE_SCHEMA,
  SQLSTATE.UNIQUE_VIOLATION,
]

/**
 * Roles belong to the server, and two prefixes may name one schema: a tenancy with another registry, whose lock is another,
 * may make the same one. The second time it is found.
 */
function isMadeMeanwhile(error: unknown): boolean {
  return ALREADY_THERE.includes(sqlStateOf(error))
}
