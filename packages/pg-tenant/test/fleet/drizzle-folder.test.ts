import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lintMigrations } from '../../src/fleet/lint.ts'
import { loadMigrations } from '../../src/lifecycle/migrations.ts'
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

async function write(name: string, files: Record<string, string>): Promise<string> {
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
      '0002_not_in_it.sql': 'select 3',
    })
    expect(await loadMigrations(path)).toEqual([
      { id: '0000_first', sql: FK },
      { id: '0001_second', sql: 'select 2' },
    ])
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
