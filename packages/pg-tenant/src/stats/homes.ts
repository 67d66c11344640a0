import { isTenancyError } from '@org/core'
import { withAdminPool } from '../admin/session.ts'
import { inAdminTransaction } from '../admin/transaction.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { inParallel } from '../verify/in-parallel.ts'
import type { Space } from './shared-tables.ts'
import { DATABASES, EXACT } from './stats-sql.ts'

/** Databases looked into at once, a connection each. */
const AT_ONCE = 4

/** Level `database`: looks into each tenant's own; where that is not possible only its size is known. */
export async function insideHomes(
  { adminPool, naming, registry }: Lifecycle,
  keys: readonly string[] | null,
): Promise<Map<string, Space>> {
  const databases = await inAdminTransaction(adminPool, (admin) =>
    admin.run(DATABASES, [naming.rolePrefix, keys]),
  )
  const spaces = new Map<string, Space>()
  await inParallel(databases, AT_ONCE, async ({ key, bytes }) => {
    const size = { bytes: bytes as number | null }
    const inside = await lookInside(String(key))
    spaces.set(String(key), { rows: null, tables: null, relations: null, ...inside, ...size })
  })
  return spaces

  async function lookInside(key: string): Promise<Partial<Space> | undefined> {
    try {
      return await withAdminPool(adminPool, naming.rolePrefix + key, (pool) =>
        inAdminTransaction(pool, async (home) => {
          await home.run('set transaction read only')
          const [row] = await home.run(EXACT, [registry.prefix, [key], naming.marker])
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
