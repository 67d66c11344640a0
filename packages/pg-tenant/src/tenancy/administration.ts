import type { TenantKey } from '@org/core'
import { keyFor } from '../isolation/names.ts'
import { traitsOf } from '../isolation/traits.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { learnNames } from '../registry/learn-names.ts'
import { list } from '../registry/read.ts'
import { requireTenants } from '../registry/require-tenants.ts'
import { runScope } from '../scope/run-scope.ts'
import { each } from './each.ts'
import { atTheEdge } from './edge.ts'
import type { Ground } from './ground.ts'
import type { Tenancy } from './interface.ts'
import type { Requests } from './requests.ts'

/** What an administrator, a worker or a script calls; loaded at the first such call. */
export type Administration = Omit<Tenancy, keyof Requests | 'isolation' | 'close'>

/** Each call loads its own code: whoever only provisions never reads what restores. */
export async function administrationOf(ground: Ground, requests: Requests): Promise<Administration> {
  const { level, naming, pool, adminPool, registry, open, defaults } = ground
  const lifecycle: Lifecycle = { ...ground, ofLevel: await open.loadLifecycle() }
  const keyOf = (key: string) => keyFor(naming, key)
  /** The same, knowing the names of the tenants that it is to work on: of one, or of all. */
  const knowing = async (key?: string): Promise<Lifecycle> => {
    await learnNames(adminPool, registry, key === undefined ? undefined : keyOf(key))
    return lifecycle
  }
  const changing = async <T>(key: string, work: (tenant: TenantKey) => Promise<T>): Promise<T> => {
    const tenant = keyOf(key)
    try {
      return await work(tenant)
    } finally {
      ground.forget(tenant)
    }
  }
  /** Lists of keys among options; anything else is refused where it is read. */
  const requireNamed = async (...lists: readonly unknown[]): Promise<void> => {
    const keys = lists.flatMap((one): unknown[] => (Array.isArray(one) ? one : []))
    if (keys.length === 0) return
    await requireTenants(
      adminPool,
      registry,
      keys.map((key) => keyOf(key as string)),
    )
  }
  const readyTenants = async () => (await import('../lifecycle/ready/ready.ts')).readyTenants(lifecycle)
  const directory = {
    list: async (page) => list(pool, registry, page),
    each: async (fn, how) =>
      each({ withTenant: requests.withTenant, list: (page) => list(pool, registry, page) }, fn, how),
  } satisfies Partial<Administration>
  const life = {
    ready: Object.freeze({
      fill: async (count: number) => (await readyTenants()).fill(count),
      count: async () => (await readyTenants()).count(),
      clear: async () => (await readyTenants()).clear(),
    }),
    provision: async (key, facts) => {
      const { provision } = await import('../lifecycle/provision.ts')
      return changing(key, (tenant) => provision(lifecycle, tenant, facts))
    },
    adopt: async (key, how) => {
      const { adopt } = await import('../adoption/adopt.ts')
      return changing(key, async (tenant) => adopt(await knowing(key), tenant, how))
    },
    confirmAdoption: async (key, how) => {
      const { confirmAdoption } = await import('../adoption/confirm.ts')
      return changing(key, async (tenant) => confirmAdoption(await knowing(key), tenant, how))
    },
    adoptions: async () => (await import('../adoption/unconfirmed.ts')).unconfirmed(lifecycle),
    undoAdoption: async (key, how) => {
      const { undoAdoption } = await import('../adoption/undo.ts')
      return changing(key, async (tenant) => undoAdoption(await knowing(key), tenant, how))
    },
    suspend: async (key, reason) => {
      const { suspend } = await import('../lifecycle/suspend.ts')
      return changing(key, (tenant) => suspend(lifecycle, tenant, reason ?? null))
    },
    resume: async (key) => {
      const { resume } = await import('../lifecycle/suspend.ts')
      return changing(key, (tenant) => resume(lifecycle, tenant))
    },
    backup: async (key, how) =>
      (await import('../archive/backup.ts')).backupTenant(await knowing(key), keyOf(key), how),
    restore: async (key, how) => {
      const { restoreTenant } = await import('../archive/restore/restore.ts')
      return changing(key, async (tenant) => restoreTenant(await knowing(tenant), tenant, how))
    },
    export: async (key, how) =>
      (await import('../archive/export/export.ts')).exportTenant(await knowing(key), keyOf(key), how),
    offboard: async (key, how) => {
      const { offboard } = await import('../offboard/offboard.ts')
      return changing(key, async (tenant) => offboard(await knowing(tenant), tenant, how))
    },
    drop: async (key) => {
      const { drop } = await import('../lifecycle/drop.ts')
      return changing(key, (tenant) => drop(lifecycle, tenant))
    },
    rotateCredentials: async (key) =>
      (await import('../lifecycle/rotate-credentials.ts')).rotateCredentials(await knowing(key), keyOf(key)),
  } satisfies Partial<Administration>
  const operations = {
    migrate: async (how) => {
      // Where tenants share tables, naming some is refused in other words.
      if (!traitsOf(level).shared) await requireNamed(how?.only, how?.canary)
      const { migrate } = await import('../fleet/migrate.ts')
      const { requireMigrated } = await import('./migration-failed.ts')
      try {
        return requireMigrated(await migrate(await knowing(), how), how)
      } finally {
        ground.types.forget()
      }
    },
    migrationStatus: async (which) => {
      await requireNamed(which?.only)
      return (await import('../fleet/status.ts')).migrationStatus(await knowing(), which)
    },
    doctor: async (how) => (await import('../doctor/diagnose.ts')).diagnose(await knowing(), how),
    verify: async (how) => {
      const { verifyIsolation } = await import('../verify/verify.ts')
      return verifyIsolation(
        await knowing(),
        (tenant, fn) => runScope({}, open.isolation, tenant, fn, defaults),
        how,
      )
    },
    stats: async (which) => {
      await requireNamed(which?.tenants)
      return (await import('../stats/stats.ts')).tenantStats(await knowing(), which)
    },
    resealCredentials: async () => (await import('../lifecycle/reseal.ts')).resealCredentials(lifecycle),
  } satisfies Partial<Administration>
  return atTheEdge({ ...directory, ...life, ...operations }, ground.administrator)
}
