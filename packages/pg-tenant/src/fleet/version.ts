import { TenancyError, type TenantKey } from '@org/core'
import type { PoolLike } from '../driver/types.ts'
import type { CheckedMigration } from '../migrations/migrations.ts'
import { find } from '../registry/read.ts'
import type { RegistryPlace } from '../registry/registry.ts'

/** Options of {@link versionGate}. */
export interface VersionGateOptions {
  /** Id of the migration a tenant must have, at least. */
  readonly minimumVersion: string
  /** Milliseconds to wait for a migration that is under way before a tenant is refused (default 0). */
  readonly waitMs?: number
}

/** Lets tenants in that are recent enough. */
export interface VersionGate {
  /**
   * Nothing when the tenant is known to be recent enough: no promise, no query, one look into a set. Else a promise that
   * rejects with SERVICE_UNAVAILABLE when it is not.
   */
  assertVersion(tenant: TenantKey): Promise<void> | undefined
  /** Asks again the next time: the tenant was dropped or restored. Without a key: every tenant. */
  forget(tenant?: TenantKey | ((tenant: TenantKey) => boolean)): void
}

/** Tenants remembered; the one known longest makes room. */
const REMEMBERED = 10_000
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 1_000

/**
 * A running application that refuses tenants below a version, at no cost for each request: versions only rise, so a tenant
 * is asked about once in each process (until it is forgotten).
 *
 * A version this program does not know was made by a newer release, which works with this one (expand, then contract).
 *
 * @throws TenancyError INVALID_OPTION when `minimumVersion` is no migration
 */
export function versionGate(
  pool: PoolLike,
  place: RegistryPlace,
  migrations: readonly CheckedMigration[],
  { minimumVersion, waitMs = 0 }: VersionGateOptions,
): VersionGate {
  const ordinals = new Map(migrations.map(({ id }, index) => [id, index]))
  const least = ordinals.get(minimumVersion)
  if (least === undefined) {
    throw new TenancyError('INVALID_OPTION', 'minimumVersion must be the id of one of the migrations.', {
      details: { option: 'minimumVersion' },
    })
  }
  const recent = new Set<TenantKey>()
  const isRecent = async (tenant: TenantKey): Promise<boolean> => {
    const record = await find(pool, place, tenant)
    // A tenant that is not there fails by itself when its scope opens, with the right code.
    if (!record || record.status === 'deleted') return true
    const { schemaVersion } = record
    if (schemaVersion === null || (ordinals.get(schemaVersion) ?? least) < least) return false
    if (recent.size >= REMEMBERED) recent.delete(recent.values().next().value as TenantKey)
    recent.add(tenant)
    return true
  }
  const ask = async (tenant: TenantKey): Promise<void> => {
    const until = performance.now() + waitMs
    let pause = FIRST_PAUSE_MS
    while (!(await isRecent(tenant))) {
      const left = until - performance.now()
      if (left <= 0) throw tooOld(tenant, minimumVersion)
      await new Promise((resolve) => setTimeout(resolve, Math.min(pause, left)))
      pause = Math.min(LONGEST_PAUSE_MS, pause * 2)
    }
  }
  return {
    assertVersion: (tenant) => (recent.has(tenant) ? undefined : ask(tenant)),
    forget: (tenant) => {
      if (tenant === undefined) recent.clear()
      else if (typeof tenant === 'function') {
        for (const key of recent) if (tenant(key)) recent.delete(key)
      } else recent.delete(tenant)
    },
  }
}

function tooOld(tenant: TenantKey, minimumVersion: string): TenancyError {
  return new TenancyError(
    'SERVICE_UNAVAILABLE',
    "The tenant's schema is older than this release needs. Run migrate; nothing was executed.",
    { details: { tenant, minimumVersion } },
  )
}
