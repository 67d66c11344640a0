import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { invalidOption, type Migration, TenancyError } from '@org/core'
import { entriesOf, refused } from './entries.ts'
import { textOf } from './text-of.ts'

/**
 * Reads what drizzle-kit wrote until 1.0, or `undefined` when the folder is none of its: `meta/_journal.json` with the order
 * (format 5 to 7).
 *
 * @throws TenancyError INVALID_OPTION when the journal is for another database or names a file that is not there
 */
export async function readDrizzleFolder(folder: string): Promise<Migration[] | undefined> {
  const journal = await readFile(join(folder, 'meta', '_journal.json')).catch(() => undefined)
  if (journal === undefined) return undefined
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

async function readSql(path: string, id: string): Promise<string> {
  const bytes = await readFile(path).catch(() => {
    throw new TenancyError('INVALID_OPTION', 'The journal of drizzle-kit names a file that is not there.', {
      details: { option: 'folder', migration: id },
    })
  })
  return textOf(bytes, id)
}
