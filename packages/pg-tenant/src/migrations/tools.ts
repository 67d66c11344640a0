import type { CheckedMigration } from './migrations.ts'
import { isChecksumOf } from './migrations.ts'

/** A table in which another tool keeps which migrations a schema has. */
export interface Tool {
  readonly name: string
  readonly table: string
  /** Columns that it is known by. */
  readonly columns: readonly string[]
  /** What is to be read of it: `name` and, where the tool keeps one, `checksum` (SHA-256 of the file, in hex). */
  readonly nameColumn: string
  readonly checksumColumn?: string
  /** Rows of migrations that were applied; all of them, if left out. */
  readonly where?: string
  /** Rows of migrations that were begun and came to no end. */
  readonly failed?: string
}

export const TOOLS: readonly Tool[] = [
  {
    name: 'drizzle',
    table: '__drizzle_migrations',
    columns: ['hash', 'created_at'],
    nameColumn: 'hash',
    checksumColumn: 'hash',
  },
  {
    name: 'Prisma',
    table: '_prisma_migrations',
    columns: ['migration_name', 'checksum', 'finished_at', 'rolled_back_at'],
    nameColumn: 'migration_name',
    checksumColumn: 'checksum',
    where: 'finished_at is not null and rolled_back_at is null',
    failed: 'finished_at is null and rolled_back_at is null',
  },
  {
    name: 'Knex',
    table: 'knex_migrations',
    columns: ['name', 'batch', 'migration_time'],
    nameColumn: 'name',
  },
  { name: 'TypeORM', table: 'migrations', columns: ['timestamp', 'name'], nameColumn: 'name' },
  {
    name: 'Flyway',
    table: 'flyway_schema_history',
    columns: ['installed_rank', 'version', 'script', 'success'],
    nameColumn: 'script',
    // Whatever type it has.
    where: `success::pg_catalog.text = 'true' and version is not null`,
    failed: `success::pg_catalog.text = 'false'`,
  },
  { name: 'node-pg-migrate', table: 'pgmigrations', columns: ['name', 'run_on'], nameColumn: 'name' },
]

/** Tables of such tools, with those of Rails and Django: no part of what migrations make. */
const TOOL_TABLES: readonly string[] = [
  ...TOOLS.map(({ table }) => table),
  'knex_migrations_lock',
  'schema_migrations',
  'ar_internal_metadata',
  'django_migrations',
]

/** What fits the names of such tables, and of the sequences that come along with them, in SQL. */
export const OF_TOOLS = `^(?:${TOOL_TABLES.join('|')})(?:_[a-z0-9_]*seq[0-9]*)?$`

/** One row of such a ledger. */
export interface ToolRow {
  readonly name: string
  readonly checksum: string | null
}

/** What a ledger says in terms of our migrations. */
export type Reading =
  | { readonly baseline: string | null }
  /** A row that is none of our migrations. */
  | { readonly unknown: string }
  /** A migration of ours that the ledger lacks although it has a later one. */
  | { readonly gap: string }

/** The newest of `migrations` that the ledger has, if it has all before it and nothing else. */
export function readLedger(migrations: readonly CheckedMigration[], rows: readonly ToolRow[]): Reading {
  const found = new Set<number>()
  for (const row of rows) {
    const at = migrations.findIndex((migration) => isOf(migration, row))
    if (at < 0) return { unknown: row.name.slice(0, 200) }
    found.add(at)
  }
  const last = Math.max(-1, ...found)
  const gap = migrations.slice(0, last + 1).find((_, at) => !found.has(at))
  return gap ? { gap: gap.id } : { baseline: migrations[last]?.id ?? null }
}

function isOf(migration: CheckedMigration, { name, checksum }: ToolRow): boolean {
  if (checksum !== null && isChecksumOf(migration, checksum.toLowerCase())) return true
  return bare(migration.id) === bare(name) || isClassOf(name, bare(migration.id))
}

/** TypeORM keeps the class, `AddUsers1700000000000`; its file is `1700000000000-add-users.ts`. */
function isClassOf(name: string, id: string): boolean {
  const [, words, stamp] = /^([A-Za-z]\w{0,200}?)(\d{13})$/.exec(name) ?? []
  return words !== undefined && `${stamp}${letters(words)}` === letters(id)
}

const letters = (text: string) => text.toLowerCase().replace(/[^a-z0-9]/g, '')

/** Tools name a file with its ending or without it. */
function bare(name: string): string {
  return name.slice(0, 300).replace(/(?:\.up)?\.(?:sql|[cm]?[jt]s)$/, '')
}
