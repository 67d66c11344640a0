import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Migration, TenancyError } from '@org/core'
import { invalid } from '../errors/invalid.ts'
import { readDrizzleFolder, withoutSchema } from './drizzle-folder.ts'
import { textOf } from './text-of.ts'

/** A migration with the fingerprint that tells whether it was edited after it had been applied. */
export interface CheckedMigration extends Migration {
  readonly checksum: string
}

/** Options of {@link loadMigrations}. */
export interface LoadOptions {
  /**
   * A schema to take off qualified names (default: none). drizzle-kit writes `"public".` before the tables of foreign
   * keys; with `unqualify: 'public'` they point into the tenant's own schema.
   */
  readonly unqualify?: string
}

/**
 * Reads a folder of migrations: that of drizzle-kit in the order of its journal, or `.sql` files in the order of their
 * names. The name without `.sql` is the id.
 *
 * @throws TenancyError INVALID_OPTION when there is no such folder or no migration in it, or a file is not UTF-8
 */
export async function loadMigrations(folder: string, { unqualify }: LoadOptions = {}): Promise<Migration[]> {
  const migrations = (await readDrizzleFolder(folder)) ?? (await readNumbered(folder))
  return unqualify === undefined
    ? migrations
    : migrations.map((migration) => withoutSchema(migration, unqualify))
}

async function readNumbered(folder: string): Promise<Migration[]> {
  const names = await readdir(folder).catch(() => [])
  const files = names.filter((name) => name.endsWith('.sql')).sort()
  if (files.length === 0) throw invalid('folder', 'a folder with .sql files')
  return Promise.all(
    files.map(async (name) => {
      const id = name.slice(0, -'.sql'.length)
      return { id, sql: textOf(await readFile(join(folder, name)), id) }
    }),
  )
}

/** @throws TenancyError INVALID_OPTION */
export function parseMigrations(migrations: readonly Migration[]): CheckedMigration[] {
  if (!Array.isArray(migrations)) throw invalid('migrations', 'an array of { id, sql }')
  const seen = new Set<string>()
  return migrations.map((migration: Partial<Migration>) => {
    const { id, sql } = migration ?? {}
    if (typeof id !== 'string' || id === '' || id.length > 200)
      throw invalid('migrations', 'an array of { id, sql }, id up to 200 characters')
    if (typeof sql !== 'string' || sql.trim() === '')
      throw invalid('migrations', 'an array of { id, sql }, none of them empty')
    if (seen.has(id)) throw invalid('migrations', 'an array of { id, sql } with each id once')
    seen.add(id)
    return { id, sql, checksum: createHash('sha256').update(sql).digest('hex') }
  })
}

/**
 * What a tenant that has `applied` still needs, in order.
 *
 * @throws TenancyError CONFLICT when an applied migration was edited, or the tenant has one this program does not know
 */
export function pending(
  migrations: readonly CheckedMigration[],
  applied: ReadonlyMap<string, string>,
): CheckedMigration[] {
  const known = new Map(migrations.map(({ id, checksum }) => [id, checksum]))
  for (const [id, checksum] of applied) {
    const mine = known.get(id)
    if (mine === checksum) continue
    throw new TenancyError(
      'CONFLICT',
      mine === undefined
        ? 'The tenant has a migration this program does not know: it was made by a newer release. Deploy that release.'
        : 'A migration was edited after it had been applied. Put it back as it was and add a new one.',
      { details: { migration: id } },
    )
  }
  return migrations.filter(({ id }) => !applied.has(id))
}
