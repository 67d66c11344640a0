import { createHash } from 'node:crypto'
import { invalidOption, type Migration, TenancyError } from '@org/core'
import type { LoadOptions } from './folder/load.ts'
import { withLineFeeds } from './statements.ts'

/** A migration with the fingerprint that tells whether it was edited after it had been applied. */
export interface CheckedMigration extends Migration {
  /** SHA-256 of the text with line ends as on Unix and without a byte order mark, in hex. */
  readonly checksum: string
  /** What the same text has been recorded as by earlier releases and on other machines: with CRLF or CR, with the mark, with or without its last line end. */
  readonly otherChecksums: readonly string[]
}

/** @throws TenancyError INVALID_OPTION */
export function parseMigrations(migrations: readonly Migration[]): CheckedMigration[] {
  if (!Array.isArray(migrations)) throw invalidOption('migrations', 'an array of { id, sql }')
  const seen = new Set<string>()
  return migrations.map((migration: Partial<Migration>) => {
    const { id, sql, transaction } = migration ?? {}
    if (typeof id !== 'string' || id === '' || id.length > 200)
      throw invalidOption('migrations', 'an array of { id, sql }, id up to 200 characters')
    if (typeof sql !== 'string' || sql.trim() === '')
      throw invalidOption('migrations', `an array of { id, sql }, none of them empty (${id} is)`)
    if (sql.includes('\0'))
      throw invalidOption('migrations', `an array of { id, sql } without NUL characters (${id} has one)`)
    if (transaction !== undefined && typeof transaction !== 'boolean')
      throw invalidOption('migrations', `an array of { id, sql }, transaction true or false (${id})`)
    if (seen.has(id))
      throw invalidOption('migrations', `an array of { id, sql } with each id once (${id} is there again)`)
    seen.add(id)
    return checked(id, sql, transaction)
  })
}

/** How a migration is run, which may be said later than it was first run. */
const ANNOTATIONS = /^(?:[ \t]{0,20}--[ \t]{0,20}pg-tenant:[^\n]{0,200}\n){1,20}/

/** A checkout may change line ends, and an editor add a byte order mark or a last line end: it is the same migration. */
function checked(id: string, raw: string, transaction?: boolean): CheckedMigration {
  const sql = withLineFeeds(raw.replace(/^\ufeff/, '').replaceAll('\r\n', '\n'))
  let others: readonly string[] | undefined
  return {
    id,
    sql,
    ...(transaction === undefined ? {} : { transaction }),
    checksum: sha256(sql),
    // A dozen of them for a text that hardly anybody has recorded otherwise.
    get otherChecksums() {
      others ??= [...otherSpellings(raw, sql)].map(sha256)
      return others
    },
  }
}

function otherSpellings(raw: string, sql: string): ReadonlySet<string> {
  const bare = sql.replace(ANNOTATIONS, '')
  const texts = bare === sql ? [sql] : [sql, bare]
  return new Set([raw, ...texts.flatMap(spellingsOf)].filter((one) => one !== sql))
}

/** How the same text may have been written: line ends, a byte order mark, a line end more or less at its end. */
function spellingsOf(text: string): string[] {
  const trimmed = text.trimEnd()
  return [text, trimmed, `${trimmed}\n`].flatMap((one) => {
    const windows = one.replaceAll('\n', '\r\n')
    return [one, windows, MARK + one, MARK + windows, one.replaceAll('\n', '\r')]
  })
}

const MARK = '\ufeff'

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** Whether a ledger's checksum is that of this migration, however its lines ended when it was recorded. */
export function isChecksumOf({ checksum, otherChecksums }: CheckedMigration, recorded: string): boolean {
  return recorded === checksum || otherChecksums.includes(recorded)
}

/** All checksums a migration may be recorded under, as one text for `string_to_array(…, ' ')`. */
export function checksumsOf({ checksum, otherChecksums }: CheckedMigration): string {
  return [checksum, ...otherChecksums].join(' ')
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
  const known = new Map(migrations.map((migration) => [migration.id, migration]))
  for (const [id, checksum] of applied) {
    const mine = known.get(id)
    if (mine && isChecksumOf(mine, checksum)) continue
    throw new TenancyError(
      'CONFLICT',
      mine === undefined
        ? 'The tenant has a migration this program does not know: it was made by a newer release, or its file was removed. Deploy that release, or put the file back.'
        : 'A migration was edited after it had been applied. Put it back as it was and add a new one.',
      { details: { migration: id } },
    )
  }
  return migrations.filter(({ id }) => !applied.has(id))
}

/**
 * Reads a folder of migrations as the tool wrote it: drizzle-kit's, Prisma's, Diesel's and Hasura's in their order; Flyway's by version;
 * `.sql` files by their numbers (`2_…` before `10_…`), with files and parts that take a migration back left out
 * (`.down.sql`; dbmate, goose, sql-migrate, node-pg-migrate, tern and others by their comments). The name without `.sql`
 * is the id. What is nothing but CREATE INDEX CONCURRENTLY or the like runs outside a transaction.
 *
 * @throws TenancyError INVALID_OPTION when there is no such folder or no migration in it, a file is not UTF-8, or something
 *   in it would be left out without anybody noticing (code, subfolders, repeatable migrations)
 * @example
 * ```ts
 * import { mkdtemp, writeFile } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { createTenancy, loadMigrations } from '@org/pg-tenant'
 *
 * const folder = await mkdtemp(`${tmpdir()}/migrations-`)
 * await writeFile(`${folder}/0001_notes.sql`, 'create table notes (body text)')
 * const migrations = await loadMigrations(folder)
 * createTenancy({ pool, adminPool, migrations })
 * migrations.map(({ id }) => id) // → ['0001_notes']
 * ```
 */
export async function loadMigrations(folder: string, options: LoadOptions = {}): Promise<Migration[]> {
  return (await import('./folder/load.ts')).readFolder(folder, options)
}
