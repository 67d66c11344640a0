import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Migration } from '@org/core'
import { readDrizzleFolder, withoutSchema } from './drizzle.ts'
import { migrationFiles } from './files.ts'
import { textOf } from './text-of.ts'
import { upPart } from './up-part.ts'

/** Options of {@link loadMigrations}. */
export interface LoadOptions {
  /**
   * A schema to take off qualified names (default: none). drizzle-kit writes `"public".` before the tables of foreign
   * keys; with `unqualify: 'public'` they point into the tenant's own schema.
   */
  readonly unqualify?: string
}

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
export async function loadMigrations(folder: string, { unqualify }: LoadOptions = {}): Promise<Migration[]> {
  const migrations = (await readDrizzleFolder(folder)) ?? (await readFiles(folder))
  return unqualify === undefined
    ? migrations
    : migrations.map((migration) => withoutSchema(migration, unqualify))
}

async function readFiles(folder: string): Promise<Migration[]> {
  const files = await migrationFiles(folder)
  return Promise.all(
    files.map(async ({ id, name }) => ({
      id,
      sql: upPart(textOf(await readFile(join(folder, name)), id), id),
    })),
  )
}
