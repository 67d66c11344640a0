import { TenancyError, type TenantKey } from '@org/core'
import { withAdminPool } from '../admin/session.ts'
import { type Lifecycle, standingOf } from '../lifecycle/lifecycle.ts'
import { prepare } from '../lifecycle/prepare.ts'
import { transferOwnership } from '../lifecycle/transfer-ownership.ts'
import { whileTenantIsLocked } from '../registry/locks.ts'
import { find } from '../registry/read.ts'
import type { TenantRecord, TenantStatus } from '../registry/record.ts'
import { tenantNotFound } from '../registry/require-tenants.ts'
import { qualify } from '../sql/identifier.ts'
import { OWN_PATH } from '../sql/own-path.ts'
import { type AdminClient, withAdminClient } from './client.ts'
import { otherLevel, type Place } from './place.ts'
import { whileReadable } from './while-readable.ts'

/** What is to be read. */
export interface Visit {
  readonly lifecycle: Lifecycle
  readonly tenant: TenantKey
  readonly place: Place
  readonly signal?: AbortSignal | undefined
}

/** A tenant that is found as it is. */
export interface Found {
  /** A connection of the administrator to the database that holds the tenant's data; in no transaction. */
  readonly home: AdminClient
  /** The database that holds the registry: the same connection, unless the tenant has a database of its own. */
  readonly books: AdminClient
  /** The role the application logs in with. */
  readonly application: string
  /** Whether the tenant is suspended or being dropped, so that its owner is shut out. */
  readonly closed: boolean
}

/**
 * Runs `fn` where a tenant's data is, while no administrative work changes it: migrations, restores and drops wait, and
 * reading an open tenant does not wait for others who read. Opening what is closed is for one at a time.
 *
 * @throws TenancyError TENANT_NOT_FOUND, CONFLICT (another level, or it changed meanwhile), TIMEOUT, ABORTED
 */
export async function visitTenant<T>(
  { lifecycle, tenant, place, signal }: Visit,
  accepted: readonly TenantStatus[],
  fn: (found: Found) => Promise<T>,
): Promise<T> {
  const { adminPool, level, pool, registry } = lifecycle
  const application = await prepare(lifecycle)
  const record = await find(pool, registry, tenant)
  if (!record || !accepted.includes(record.status)) throw tenantNotFound(tenant)
  if (record.isolation !== level) throw otherLevel(tenant)
  await transferOwnership(lifecycle, tenant)
  const closed = record.status !== 'active'
  const read = async (books: AdminClient): Promise<T> => {
    await books.run(`set lock_timeout = '10s'; set search_path to ${OWN_PATH}`)
    await requireUnchanged(books, lifecycle, record)
    const visit = async (home: AdminClient) => {
      if (place.marker !== undefined && (await standingOf(home, lifecycle.naming, tenant)) === 'nothing')
        throw tenantNotFound(tenant)
      return await fn({ home, books, application, closed })
    }
    if (place.database === undefined)
      return await whileReadable(books, lifecycle, place, closed, () => visit(books))
    return await withAdminPool(adminPool, place.database, (own) => withAdminClient(own, visit, signal))
  }
  return await whileTenantIsLocked(adminPool, registry, tenant, closed ? 'no key update' : 'share', () =>
    withAdminClient(adminPool, read, signal),
  )
}

/** What was read before we had the lock may have changed while we waited for it. */
async function requireUnchanged(
  books: AdminClient,
  { registry }: Lifecycle,
  { key, status }: TenantRecord,
): Promise<void> {
  const [now] = await books.run(
    `select status from ${qualify(registry.controlSchema, 'tenant')} where prefix = $1 and key = $2`,
    [registry.prefix, key],
  )
  if (now?.status === status) return
  throw new TenancyError(
    'CONFLICT',
    'The tenant changed its status just now. Nothing was done; run it again.',
    {
      details: { tenant: key },
    },
  )
}
