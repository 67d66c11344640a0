import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Migration, type OptionNames, requireKnownOptions } from '@org/core'
import { standsAlone, statementsOf } from '../statements.ts'
import { readDrizzleFolder } from './drizzle.ts'
import { refused } from './entries.ts'
import { migrationFiles } from './files.ts'
import { readFolders } from './folders.ts'
import { textOf } from './text-of.ts'
import { withoutSchema } from './unqualify.ts'
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
  const read = (await readDrizzleFolder(folder)) ?? (await readFolders(folder)) ?? (await readFiles(folder))
  const migrations = read.map(asItMustRun)
  return unqualify === undefined
    ? migrations
    : migrations.map((migration) => withoutSchema(migration, unqualify))
}

const ALONE = /\b(?:concurrently|vacuum)\b/i

/** Flyway, Prisma, golang-migrate and others run a file of nothing but CREATE INDEX CONCURRENTLY outside a transaction, unasked. */
function asItMustRun(migration: Migration): Migration {
  if (!ALONE.test(migration.sql)) return migration
  try {
    const statements = statementsOf(migration.sql, migration.id)
    const alone = statements.length > 0 && statements.every((one) => standsAlone(one) === 'restricted')
    return alone ? { ...migration, transaction: false } : migration
  } catch {
    // Quotes that never end are told with the others.
    return migration
  }
}

async function readFiles(folder: string): Promise<Migration[]> {
  const files = await migrationFiles(folder)
  return Promise.all(
    files.map(async ({ id, name, version }, at) => {
      const text = textOf(await readFile(join(folder, name)), id)
      if (version) refusePlaceholders(text, name)
      return { id, sql: upPart(text, id, at === 0) }
    }),
  )
}

const PLACEHOLDER = /\$\{[^{}\n]{1,200}\}/

/** In strings too, where nobody else would notice. */
function refusePlaceholders(text: string, name: string): void {
  const at = text.search(PLACEHOLDER)
  if (at < 0) return
  const line = text.slice(0, at).split('\n').length
  throw refused(
    `${name}, line ${line}: a placeholder (\${…}), which only Flyway replaces. Write the value itself; where Flyway is told not to ` +
      'replace it, hand the migrations over as an array of { id, sql }.',
  )
}
