import { integerOption, TenancyError, type TenantKey } from '@org/core'
import { type Admin, inAdminTransaction } from '../../admin/transaction.ts'
import { schemaOf } from '../../isolation/names.ts'
import { traitsOf } from '../../isolation/traits.ts'
import { lockByName } from '../../registry/locks.ts'
import { announce } from '../../registry/registry.ts'
import { qualify } from '../../sql/identifier.ts'
import { applyMigrations } from '../apply-migrations.ts'
import type { TenantWork } from '../levels/level.ts'
import type { Lifecycle } from '../lifecycle.ts'
import { prepare } from '../prepare.ts'
import { transferOwnershipAtOnce } from '../transfer-ownership.ts'
import { readyKey } from './ready-key.ts'
import { readySteps } from './steps.ts'
import { addReady, countReady, removeReady, takeAny, takeStale } from './table.ts'

/** What filling did. */
export interface FillResult {
  /** Ready tenants there are now. */
  readonly ready: number
  readonly made: number
  /** Those that got migrations they lacked. */
  readonly updated: number
  /** Those with a migration that was edited or is unknown: they were removed. */
  readonly removed: number
}

const MAX_READY = 10_000

/**
 * Brings the number of ready tenants up to `count` and those there are up to date. Each is one transaction; cut off at
 * any point, it is run again. Several processes at once make `count` together.
 *
 * @throws TenancyError INVALID_OPTION, STATEMENT_REFUSED (a migration keeps the schema's name, so it cannot be renamed),
 *   CONNECTION_LOST, DATABASE_ERROR
 */
export async function fill(lifecycle: Lifecycle, count: number): Promise<FillResult> {
  integerOption('count', count, 0, MAX_READY)
  const steps = readySteps(lifecycle)
  const application = await prepare(lifecycle)
  const done = { made: 0, updated: 0, removed: 0 }
  const work = (admin: Admin, tenant: TenantKey): TenantWork => {
    return { lifecycle, tenant, admin, session: undefined, application, status: 'provisioning' }
  }
  const refresh = async (admin: Admin): Promise<keyof typeof done | undefined> => {
    const stale = await takeStale(admin, lifecycle)
    if (!stale) return undefined
    if (stale.fits) await update(work(admin, stale.key))
    else await remove(work(admin, stale.key))
    return stale.fits ? 'updated' : 'removed'
  }
  const make = async (admin: Admin): Promise<keyof typeof done | undefined> => {
    if ((await countReady(admin, lifecycle)) >= count) return undefined
    const key = readyKey()
    await addReady(admin, lifecycle, key)
    await steps.ensureRoles(work(admin, key))
    await lifecycle.ofLevel.furnish(work(admin, key))
    await close(work(admin, key))
    return 'made'
  }
  for (const step of [refresh, make]) {
    for (;;) {
      const what = await oneByOne(lifecycle, step)
      if (!what) break
      done[what]++
    }
  }
  const ready = await inAdminTransaction(lifecycle.adminPool, (admin) => countReady(admin, lifecycle))
  return { ready, ...done }
}

/**
 * Removes every ready tenant.
 *
 * @returns how many there were
 * @throws TenancyError INVALID_OPTION, CONNECTION_LOST, DATABASE_ERROR
 */
export async function clear(lifecycle: Lifecycle): Promise<number> {
  readySteps(lifecycle)
  const application = await prepare(lifecycle)
  for (let removed = 0; ; removed++) {
    const found = await oneByOne(lifecycle, async (admin) => {
      const tenant = await takeAny(admin, lifecycle)
      if (tenant === undefined) return false
      await remove({ lifecycle, tenant, admin, session: undefined, application, status: 'ready' })
      return true
    })
    if (!found) return removed
  }
}

/** One transaction; whoever else fills waits, so that together they do not make more than was asked for. */
function oneByOne<T>(lifecycle: Lifecycle, fn: (admin: Admin) => Promise<T>): Promise<T> {
  return inAdminTransaction(lifecycle.adminPool, async (admin) => {
    await lockByName(admin, lifecycle.registry, `ready:${lifecycle.registry.prefix}`)
    return await fn(admin)
  })
}

/** Migrations run as the tenant, who may go in for as long as they run and nobody else sees it. */
async function update(work: TenantWork): Promise<void> {
  const { admin, lifecycle, tenant } = work
  if (traitsOf(lifecycle.level).separateOwner) await transferOwnershipAtOnce(work)
  const owner = lifecycle.ofLevel.ownerOf(lifecycle, tenant)
  if (owner !== undefined) await lifecycle.ofLevel.putBackIntoService(work)
  await applyMigrations(admin, lifecycle, tenant, owner, false)
  await close(work)
}

async function remove(work: TenantWork): Promise<void> {
  const { admin, lifecycle, tenant } = work
  await lifecycle.ofLevel.takeDown(work)
  await removeReady(admin, lifecycle, tenant)
}

/** Nobody gets in until it is given to somebody. */
async function close(work: TenantWork): Promise<void> {
  const { admin, lifecycle, tenant } = work
  await requireNameless(work)
  await lifecycle.ofLevel.takeOutOfService(work)
  await admin.run(
    `update ${qualify(lifecycle.registry.controlSchema, 'tenant')} set schema_version = $3, updated_at = now()
     where prefix = $1 and key = $2`,
    [lifecycle.registry.prefix, tenant, lifecycle.migrations.at(-1)?.id ?? null],
  )
  await announce(admin, lifecycle.registry)
}

// `set search_path from current` keeps the path as text in a function, and so may its body. $1 schema.
const KEEPS_NAME = `select p.proname as name from pg_proc p
  where p.pronamespace = $1::regnamespace and position($2 in concat(p.prosrc, p.proconfig::text)) > 0
  limit 1`

async function requireNameless({ admin, lifecycle, tenant }: TenantWork): Promise<void> {
  const schema = schemaOf(lifecycle.naming, tenant)
  const [found] = await admin.run(KEEPS_NAME, [`"${schema}"`, tenant])
  if (!found) return
  throw new TenancyError(
    'STATEMENT_REFUSED',
    'A function made by a migration holds the name of its schema ("set search_path from current", or in its body), which ' +
      'would be wrong once the tenant has its own. Leave the name out, or do not make tenants ahead.',
    { details: { function: String(found.name) } },
  )
}
