import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Migration, type OptionNames, requireKnownOptions } from '@org/core'
import { readDrizzleFolder, withoutSchema } from './drizzle.ts'
import { migrationFiles } from './files.ts'
import { textOf } from './text-of.ts'
import { upPart } from './up-part.ts'

/** Options of `loadMigrations`. */
export interface LoadOptions {
  /**
   * A schema to take off qualified names (default: none). drizzle-kit writes `"public".` before the tables of foreign
   * keys; with `unqualify: 'public'` they point into the tenant's own schema.
   */
  readonly unqualify?: string
}

const NAMES: OptionNames<LoadOptions> = { unqualify: true }

/** See `loadMigrations`, which loads this. */
export async function readFolder(folder: string, options: LoadOptions = {}): Promise<Migration[]> {
  requireKnownOptions(options, NAMES)
  const { unqualify } = options
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
