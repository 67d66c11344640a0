import type { Migration } from '@org/core'
import type { LoadOptions } from './folder/load.ts'

/**
 * Reads a folder of migrations as the tool wrote it: drizzle-kit's and Prisma's in their order; Flyway's by version;
 * `.sql` files by their numbers (`2_…` before `10_…`), with files and parts that take a migration back left out
 * (`.down.sql`; dbmate, goose, sql-migrate, node-pg-migrate, tern and others by their comments). The name without `.sql`
 * is the id.
 *
 * @throws TenancyError INVALID_OPTION when there is no such folder or no migration in it, a file is not UTF-8, or something
 *   in it would be left out without anybody noticing (code, subfolders, repeatable migrations)
 * @example
 * ```ts
 * import { createTenancy, loadMigrations } from '@org/pg-tenant'
 *
 * const tenancy = createTenancy({ pool, adminPool, migrations: await loadMigrations('./migrations') })
 * ```
 */
export async function loadMigrations(folder: string, options: LoadOptions = {}): Promise<Migration[]> {
  return (await import('./folder/load.ts')).readFolder(folder, options)
}
