import type { TenantKey } from '@org/core'
import { withAdminPool } from '../admin/session.ts'
import { type Admin, inAdminTransaction } from '../admin/transaction.ts'
import type { PoolLike } from '../driver/types.ts'
import { qualify } from '../sql/identifier.ts'
import { WORK_LOCK } from './control-schema.ts'
import type { RegistryPlace } from './registry.ts'

// All locks of administrative work. They are locks on rows of the control schema, which no tenant may lock: an advisory
// lock can be taken by anybody who is in the database, and whoever was broken into could then not even be suspended.

/**
 * A tenant's lock is its row in the registry: administrative work takes it for itself (`for no key update`), reading work
 * shares it (`for share`). Rows that refer to it can be written meanwhile, but for a drop at level `row` (`for update`), for which no
 * scope of the tenant may commit. $1 prefix, $2 key.
 */
export const lockTenantText = (
  { controlSchema }: Pick<RegistryPlace, 'controlSchema'>,
  how: 'no key update' | 'share' | 'update' = 'no key update',
): string => `select from ${qualify(controlSchema, 'tenant')} where prefix = $1 and key = $2 for ${how}`

/** The same, which never waits: a CREATE INDEX CONCURRENTLY of who holds it would wait for our snapshot in turn. */
export const tryTenantText = (place: Pick<RegistryPlace, 'controlSchema'>): string =>
  `${lockTenantText(place)} nowait`

/** Takes the tenant's lock until the transaction ends; where there is no such row yet, that of its name. */
export async function lockTenant(admin: Admin, place: RegistryPlace, tenant: TenantKey): Promise<void> {
  const values = [place.prefix, tenant]
  if ((await admin.run(lockTenantText(place), values)).length > 0) return
  await lockByName(admin, place, `tenant:${place.prefix}${tenant}`)
  // Somebody may have made it meanwhile.
  await admin.run(lockTenantText(place), values)
}

/**
 * The last statement of a transaction that then idles with its lock. A SELECT before it would go on holding its snapshot in
 * the unnamed portal, until the next statement takes that (manual 54.2.3), and a CREATE INDEX CONCURRENTLY would wait for it.
 */
export const WITHOUT_SNAPSHOT = 'set local idle_in_transaction_session_timeout = 0'

/** One at a time under this name, across processes, until the transaction ends. */
export async function lockByName(admin: Admin, place: RegistryPlace, name: string): Promise<void> {
  // A row that is there is locked, also where nothing of it is changed (manual, INSERT); a new one by its index.
  await admin.run(
    `insert into ${qualify(place.controlSchema, WORK_LOCK)} (name) values ($1)
     on conflict (name) do update set name = excluded.name where false`,
    [name],
  )
}

/**
 * Runs `fn` while another connection holds the name's lock: for work over several transactions. It is released whatever
 * becomes of this process.
 */
export function whileNameIsLocked<T>(
  adminPool: PoolLike,
  place: RegistryPlace,
  name: string,
  fn: () => Promise<T>,
): Promise<T> {
  return whileHeld(adminPool, (admin) => lockByName(admin, place, name), fn)
}

/**
 * Runs `fn` while another connection holds the tenant's lock, alone or shared.
 *
 * @throws TenancyError TIMEOUT when somebody else has it
 */
export function whileTenantIsLocked<T>(
  adminPool: PoolLike,
  place: RegistryPlace,
  tenant: TenantKey,
  how: 'no key update' | 'share',
  fn: () => Promise<T>,
): Promise<T> {
  const take = (admin: Admin) => admin.run(lockTenantText(place, how), [place.prefix, tenant])
  return whileHeld(adminPool, take, fn)
}

/**
 * Runs `fn` while another connection holds what `take` locks: one of its own, because the pool may have no other, and what
 * `fn` needs could not be had.
 */
export async function whileHeld<T>(
  adminPool: PoolLike,
  take: (admin: Admin) => Promise<unknown>,
  fn: () => Promise<T>,
): Promise<T> {
  let work: Promise<T> | undefined
  const held = withAdminPool(adminPool, undefined, (pool) =>
    inAdminTransaction(pool, async (admin) => {
      await take(admin)
      await admin.run(WITHOUT_SNAPSHOT)
      work = fn()
      await work.catch(() => {})
    }),
  )
  // What became of the work counts, and its own error: nothing hangs on how the lock was given back.
  return await held.then(
    () => work as Promise<T>,
    (error: unknown) => {
      if (work) return work
      throw error
    },
  )
}
