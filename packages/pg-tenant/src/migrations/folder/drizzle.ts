import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { invalidOption, type Migration, TenancyError } from '@org/core'
import { scan, type Token } from '../../sql/scan.ts'
import { entriesOf, refused } from './entries.ts'
import { textOf } from './text-of.ts'

/**
 * Reads what drizzle-kit wrote, or `undefined` when the folder is none of its: `meta/_journal.json` with the order
 * (format 5 to 7), or a folder with `migration.sql` for each migration (since 1.0, and as Prisma has it).
 *
 * @throws TenancyError INVALID_OPTION when the journal is for another database or names a file that is not there
 */
export async function readDrizzleFolder(folder: string): Promise<Migration[] | undefined> {
  const journal = await readFile(join(folder, 'meta', '_journal.json')).catch(() => undefined)
  if (journal === undefined) return readFolders(folder)
  const tags = tagsOf(textOf(journal, 'meta/_journal.json'))
  const beside = (await entriesOf(folder)).find(
    ({ isFile, name }) => isFile && /^\d.*\.sql$/i.test(name) && !tags.includes(name.slice(0, -4)),
  )
  if (beside)
    throw refused(
      `${beside.name} is not in meta/_journal.json, so it would be left out. drizzle-kit generate --custom makes an entry.`,
    )
  return Promise.all(
    tags.map(async (id) => ({
      id,
      sql: await readSql(join(folder, `${id}.sql`), id),
    })),
  )
}

/**
 * Takes `"schema".` off every name, as drizzle-kit writes it before the tables of foreign keys (drizzle-orm #4369), and CREATE SCHEMA IF
 * NOT EXISTS "schema", with which Prisma begins.
 */
export function withoutSchema({ id, sql }: Migration, schema: string): Migration {
  const tokens = scan(sql)
  let [text, at] = ['', 0]
  for (const [index, token] of tokens.entries()) {
    const end = createsSchema(tokens.slice(index, index + 7), schema) ? tokens[index + 6] : undefined
    if (end && (tokens[index - 1] === undefined || tokens[index - 1]?.text === ';')) {
      text += sql.slice(at, token.start)
      at = end.end
    }
    const dot = tokens[index + 1]
    const names = (token.kind === 'quoted' || token.kind === 'word') && token.text === schema
    if (!names || dot?.kind !== 'symbol' || dot.text !== '.') continue
    text += sql.slice(at, token.start)
    at = dot.end
  }
  return { id, sql: text + sql.slice(at) }
}

function createsSchema(tokens: readonly Token[], schema: string): boolean {
  const words = tokens.map(({ text }) => text)
  return words.join(' ') === `create schema if not exists ${schema} ;` && tokens[6]?.kind === 'symbol'
}

function tagsOf(journal: string): string[] {
  const { dialect, entries } = parse(journal)
  if (dialect !== undefined && dialect !== 'postgresql' && dialect !== 'pg') {
    throw invalidOption('folder', 'a drizzle-kit folder for PostgreSQL')
  }
  if (!Array.isArray(entries) || entries.length === 0)
    throw invalidOption('folder', 'a drizzle-kit folder with migrations')
  const ordered = entries as { idx?: unknown; tag?: unknown }[]
  return [...ordered]
    .sort((a, b) => Number(a.idx) - Number(b.idx))
    .map(({ tag }) => {
      // A tag becomes a path: nothing but a plain name.
      if (typeof tag === 'string' && /^[\w-]+$/.test(tag)) return tag
      throw invalidOption('folder', 'a drizzle-kit folder whose journal has plain names')
    })
}

function parse(journal: string): { dialect?: unknown; entries?: unknown } {
  try {
    const parsed: unknown = JSON.parse(journal)
    return typeof parsed === 'object' && parsed !== null ? parsed : {}
  } catch {
    throw invalidOption('folder', 'a drizzle-kit folder whose meta/_journal.json is JSON')
  }
}

async function readFolders(folder: string): Promise<Migration[] | undefined> {
  const entries = await entriesOf(folder)
  const names = entries.filter(({ isDirectory }) => isDirectory).map(({ name }) => name)
  const found = await Promise.all(
    names.sort().map(async (id) => ({ id, bytes: await migrationIn(join(folder, id)) })),
  )
  const migrations = found.flatMap(({ id, bytes }) => (bytes ? [{ id, sql: textOf(bytes, id) }] : []))
  if (migrations.length === 0) return undefined
  const beside = entries.find(({ isFile, name }) => isFile && /\.sql$/i.test(name))
  if (beside)
    throw refused(
      `${beside.name} stands beside folders that hold a migration each, so it would be left out. Give it a folder.`,
    )
  await refuseOtherProvider(folder)
  return migrations
}

/** `migration.sql`, in any case. */
async function migrationIn(folder: string): Promise<Buffer | undefined> {
  const name = (await readdir(folder)).find((one) => one.toLowerCase() === 'migration.sql')
  return name === undefined ? undefined : await readFile(join(folder, name)).catch(nothingThere)
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

async function readSql(path: string, id: string): Promise<string> {
  const bytes = await readFile(path).catch(() => {
    throw new TenancyError('INVALID_OPTION', 'The journal of drizzle-kit names a file that is not there.', {
      details: { option: 'folder', migration: id },
    })
  })
  return textOf(bytes, id)
}
