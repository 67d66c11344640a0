import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lintMigrations } from '../../src/migrations/lint.ts'
import { loadMigrations } from '../../src/migrations/migrations.ts'
import { codeOf } from '../support/world.ts'

const FK = `CREATE TABLE "a" ("id" serial PRIMARY KEY NOT NULL, "note" text DEFAULT '"public".x');
--> statement-breakpoint
ALTER TABLE "b" ADD CONSTRAINT "b_a_fk" FOREIGN KEY ("a") REFERENCES "public"."a"("id") ON DELETE no action;`
const entry = (idx: number, tag: string) => ({
  idx,
  version: '7',
  when: 1_700_000_000_000 - idx,
  tag,
  breakpoints: true,
})
const journal = (entries: unknown, dialect = 'postgresql') =>
  JSON.stringify({ version: '7', dialect, entries })

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pg-tenant-drizzle-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function write(name: string, files: Record<string, string | Uint8Array>): Promise<string> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name, path)), { recursive: true })
    await writeFile(join(folder, name, path), text)
  }
  return join(folder, name)
}

describe('a drizzle-kit folder', () => {
  it('is read in the order of its journal', async () => {
    const path = await write('kit', {
      'meta/_journal.json': journal([entry(1, '0001_second'), entry(0, '0000_first')]),
      '0001_second.sql': 'select 2',
      '0000_first.sql': FK,
      'seed.sql': 'select 3',
    })
    expect(await loadMigrations(path)).toEqual([
      { id: '0000_first', sql: FK },
      { id: '0001_second', sql: 'select 2' },
    ])
  })

  it('with a migration that its journal does not name, which drizzle leaves out without a word, is refused', async () => {
    const path = await write('more', {
      'meta/_journal.json': journal([entry(0, '0000_first')]),
      '0000_first.sql': FK,
      '0001_by_hand.sql': 'select 3',
    })
    await expect(loadMigrations(path)).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('0001_by_hand.sql is not in meta/_journal.json'),
    })
  })

  it('can be read without the schema that it writes everywhere, which lint refuses', async () => {
    const path = join(folder, 'kit')
    expect(lintMigrations(await loadMigrations(path)).map(({ rule, line }) => [rule, line])).toContainEqual([
      'qualified-name',
      3,
    ])
    const [first] = await loadMigrations(path, { unqualify: 'public' })
    expect(first?.sql).toBe(FK.replace('"public"."a"', '"a"'))
  })

  it('of release 1.0, with a folder for each migration', async () => {
    const path = await write('one', {
      '20250102_b/migration.sql': 'select 2',
      '20250101_a/migration.sql': 'select 1',
    })
    expect((await loadMigrations(path)).map(({ id }) => id)).toEqual(['20250101_a', '20250102_b'])
  })

  it.each([
    ['other database', journal([entry(0, 'a')], 'mysql')],
    ['no json', '{'],
    ['no entries', journal([])],
    ['a path', journal([entry(0, '../kit/0000_first')])],
    ['no file', journal([entry(0, 'missing')])],
  ])('is refused: %s', async (name, text) => {
    const path = await write(name.replace(' ', '-'), { 'meta/_journal.json': text, '0000_x.sql': 'select 1' })
    expect(await codeOf(loadMigrations(path))).toBe('INVALID_OPTION')
  })
})

describe('bytes of a file', () => {
  const LATIN1 = Buffer.from("create table a (b text default 'caf\xe9')", 'latin1')
  const layouts = (sql: string | Uint8Array): [string, Record<string, string | Uint8Array>][] => [
    ['numbered', { '0000_a.sql': sql }],
    ['journal', { 'meta/_journal.json': journal([entry(0, '0000_a')]), '0000_a.sql': sql }],
    ['folders', { '0000_a/migration.sql': sql }],
  ]

  it.each([...layouts(LATIN1), ...layouts(Buffer.from('select 1', 'utf16le'))])(
    'that are not UTF-8 are refused, not replaced: %s',
    async (name, files) => {
      const path = await write(`latin1-${name}`, files)
      await expect(loadMigrations(path)).rejects.toMatchObject({
        code: 'INVALID_OPTION',
        details: { migration: '0000_a' },
      })
    },
  )

  it.each(layouts('\ufeffselect 1'))('lose a byte order mark: %s', async (name, files) => {
    expect(await loadMigrations(await write(`bom-${name}`, files))).toEqual([
      { id: '0000_a', sql: 'select 1' },
    ])
  })

  it('lose a byte order mark in the journal too', async () => {
    const files = {
      'meta/_journal.json': `\ufeff${journal([entry(0, '0000_a')])}`,
      '0000_a.sql': 'select 1',
    }
    expect(await loadMigrations(await write('bom-in-journal', files))).toHaveLength(1)
  })

  it('that cannot be read are no migration left out', async () => {
    const path = await write('unreadable', { '0000_a/migration.sql': 'select 1' })
    await mkdir(join(path, '0001_b', 'migration.sql'), { recursive: true })
    await expect(loadMigrations(path)).rejects.toThrow()
  })
})
