import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { invalidOption, type Migration } from '@org/core'
import { entriesOf, refused } from './entries.ts'
import { CODE, NUMBERED, SQL } from './files.ts'
import { byTimestampOf } from './order.ts'
import { textOf } from './text-of.ts'

/** What is applied, in a folder for each migration: Prisma and drizzle-kit since 1.0; Diesel and Hasura, beside down.sql. */
const UP = 'up.sql'
const APPLIED = ['migration.sql', UP]
/** Diesel's way to say that a migration cannot run in a transaction, in `metadata.toml`. */
const NO_TRANSACTION = /^[ \t]*run_in_transaction[ \t]*=[ \t]*false\b/m

/**
 * Reads a folder for each migration, or `undefined` when there is none with SQL in it.
 *
 * @throws TenancyError INVALID_OPTION when something would be left out without anybody noticing, or is for another database
 */
export async function readFolders(folder: string): Promise<Migration[] | undefined> {
  const entries = await entriesOf(folder)
  const names = entries.filter(({ isDirectory }) => isDirectory).map(({ name }) => name)
  const found = await Promise.all(names.sort().map((id) => migrationIn(join(folder, id), id)))
  const migrations = found.flatMap(({ migration }) => migration ?? [])
  if (found.some(({ name }) => name === UP)) {
    const order = byTimestampOf(migrations.map(({ id }) => id))
    migrations.sort((a, b) => order(a.id, b.id))
  }
  if (migrations.length === 0) return undefined
  const beside = entries.find(({ isFile, name }) => isFile && SQL.test(name))
  if (beside)
    throw refused(
      `${beside.name} stands beside folders that hold a migration each, so it would be left out. Give it a folder.`,
    )
  const [unread] = found.flatMap(({ unread }) => unread ?? [])
  if (unread !== undefined)
    throw refused(
      `${unread} would be left out: of a folder for each migration only ${APPLIED.join(' or ')} is read. Write what it does as ` +
        'SQL, or hand the migrations over as an array of { id, sql }.',
    )
  await refuseOtherProvider(folder)
  return migrations
}

interface Found {
  readonly migration?: Migration
  /** What its file is called. */
  readonly name?: string
  /** A file that stands in the place of one. */
  readonly unread?: string
}

async function migrationIn(folder: string, id: string): Promise<Found> {
  const names = await readdir(folder)
  const name = APPLIED.find((one) => names.some((name) => name.toLowerCase() === one))
  const file = names.find((one) => one.toLowerCase() === name)
  const bytes = file === undefined ? undefined : await readFile(join(folder, file)).catch(nothingThere)
  if (bytes) {
    const settings = await readFile(join(folder, 'metadata.toml'), 'utf8').catch(() => '')
    const alone = NO_TRANSACTION.test(settings) ? { transaction: false } : {}
    return { migration: { id, sql: textOf(bytes, id), ...alone }, ...(name && { name }) }
  }
  const instead = NUMBERED.test(id) ? names.find((one) => SQL.test(one) || CODE.test(one)) : undefined
  return instead === undefined ? {} : { unread: `${id}/${instead}` }
}

/** Prisma has a folder for each migration too, and says beside them for which database. */
async function refuseOtherProvider(folder: string): Promise<void> {
  const lock = await readFile(join(folder, 'migration_lock.toml'), 'utf8').catch(() => '')
  const [, provider] = /^[ \t]*provider[ \t]*=[ \t]*"([^"\n]*)"/m.exec(lock) ?? []
  if (provider !== undefined && provider !== 'postgresql')
    throw invalidOption('folder', 'a folder of Prisma for PostgreSQL')
}

/** A folder without the file is no migration; one whose file cannot be read must not be left out. */
function nothingThere(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
