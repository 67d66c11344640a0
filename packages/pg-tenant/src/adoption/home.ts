import type { TenantKey } from '@org/core'
import { withAdminPool } from '../admin/session.ts'
import { type Admin, inAdminTransaction } from '../admin/transaction.ts'
import { type Look, readOnly } from '../doctor/read-only.ts'
import type { PoolLike } from '../driver/types.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { whileNameIsLocked } from '../registry/locks.ts'

/** Where a tenant's data is: in the database that holds the registry, or in one of its own. */
export interface Home {
  readonly pool: PoolLike
  /** Whether it is a database of the tenant's own: then what is written down of it commits by itself. */
  readonly ownDatabase: boolean
  /** Looks at both, changing nothing. */
  look<T>(fn: (home: Look, books: Look) => Promise<T>): Promise<T>
  /** Writes something down, in the transaction at home or, in a database of the tenant, in one of its own. */
  write<T>(home: Admin, fn: (books: Admin) => Promise<T>): Promise<T>
}

/** @param database the tenant's own, if it has one */
export function atHome<T>(
  { adminPool }: Pick<Lifecycle, 'adminPool'>,
  database: string | undefined,
  fn: (home: Home) => Promise<T>,
): Promise<T> {
  if (database === undefined)
    return fn({
      pool: adminPool,
      ownDatabase: false,
      look: (look) => readOnly(adminPool, (home) => look(home, home)),
      write: (home, write) => write(home),
    })
  return withAdminPool(adminPool, database, (pool) =>
    fn({
      pool,
      ownDatabase: true,
      look: (look) => readOnly(adminPool, (books) => readOnly(pool, (home) => look(home, books))),
      write: (_, write) => inAdminTransaction(adminPool, write),
    }),
  )
}

/**
 * The same, one at a time: a transaction has the tenant's lock; work over several of them has that of a name, as `onTenant` has it.
 */
export async function alone<T>(
  lifecycle: Pick<Lifecycle, 'adminPool' | 'naming' | 'registry'>,
  tenant: TenantKey,
  database: string | undefined,
  fn: (home: Home) => Promise<T>,
): Promise<T> {
  const { adminPool, naming, registry } = lifecycle
  const work = () => atHome(lifecycle, database, fn)
  if (database === undefined) return await work()
  return await whileNameIsLocked(adminPool, registry, `staged:${naming.schemaPrefix}${tenant}`, work)
}
