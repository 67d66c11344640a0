import { isTenancyError, type TenantKey } from '@org/core'
import { withAdminPool } from '../admin/session.ts'
import { inAdminTransaction } from '../admin/transaction.ts'
import { databaseOf } from '../isolation/names.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { inParallel } from '../verify/in-parallel.ts'
import type { Space } from './shared-tables.ts'
import { DATABASES, EXACT, homesOf } from './stats-sql.ts'

/** Databases looked into at once, a connection each. */
const AT_ONCE = 4

/** Level `database`: looks into each tenant's own; where that is not possible only its size is known. */
export async function insideHomes(
  { adminPool, naming }: Lifecycle,
  keys: readonly TenantKey[],
): Promise<Map<string, Space>> {
  const databases = await inAdminTransaction(adminPool, (admin) =>
    admin.run(DATABASES, [keys, keys.map((key) => databaseOf(naming, key))]),
  )
  const spaces = new Map<string, Space>()
  await inParallel(databases, AT_ONCE, async ({ key, bytes }) => {
    const size = { bytes: bytes as number | null }
    const inside = await lookInside(key as TenantKey)
    spaces.set(String(key), { rows: null, tables: null, relations: null, ...inside, ...size })
  })
  return spaces

  async function lookInside(key: TenantKey): Promise<Partial<Space> | undefined> {
    try {
      return await withAdminPool(adminPool, databaseOf(naming, key), (pool) =>
        inAdminTransaction(pool, async (home) => {
          await home.run('set transaction read only')
          const [row] = await home.run(EXACT, homesOf(naming, [key]))
          const { rows, tables, relations } = (row ?? {}) as Partial<Space>
          return row && { rows: rows ?? null, tables: tables ?? null, relations: relations ?? null }
        }),
      )
    } catch (error) {
      if (isTenancyError(error)) return undefined
      throw error
    }
  }
}
