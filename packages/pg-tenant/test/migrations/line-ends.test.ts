import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  checksumsOf,
  isChecksumOf,
  loadMigrations,
  parseMigrations,
  pending,
} from '../../src/migrations/migrations.ts'
import { codeOf, NOTES, useWorld } from '../support/world.ts'

const SQL = 'create table tags (\n  id int primary key,\n  name text\n);\n'
const WINDOWS = SQL.replaceAll('\n', '\r\n')
const MAC = SQL.replaceAll('\n', '\r')
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

describe('line ends and a byte order mark', () => {
  const spellings = {
    unix: SQL,
    windows: WINDOWS,
    marked: `\ufeff${SQL}`,
    both: `\ufeff${WINDOWS}`,
    mac: MAC,
  }

  test.each(Object.entries(spellings))('%s is the same migration', (_, sql) => {
    const [migration] = parseMigrations([{ id: '1', sql }])
    expect(migration).toMatchObject({ sql: SQL, checksum: sha256(SQL) })
  })

  test.each(Object.entries(spellings))(
    'a ledger written from %s by an earlier release is accepted',
    (_, sql) => {
      const now = parseMigrations([{ id: '1', sql: SQL }])
      expect(pending(now, new Map([['1', sha256(sql)]]))).toEqual([])
    },
  )

  test.each([SQL.trimEnd(), WINDOWS.trimEnd()])('%j is one that only ends otherwise', (sql) => {
    const now = parseMigrations([{ id: '1', sql: SQL }])
    expect(pending(now, new Map([['1', sha256(sql)]]))).toEqual([])
    const before = parseMigrations([{ id: '1', sql }])
    expect(pending(before, new Map([['1', sha256(SQL)]]))).toEqual([])
  })

  test.each(['utf16le', 'utf8'] as const)(
    'a file in %s with a mark, and lines that end in CR alone',
    async (encoding) => {
      const folder = await mkdtemp(join(tmpdir(), 'line-ends-'))
      const text = `\ufeff-- pg-tenant: no-transaction\r${MAC}`
      await writeFile(join(folder, '1.sql'), Buffer.from(text, encoding))
      const [migration] = parseMigrations(await loadMigrations(folder))
      await rm(folder, { recursive: true })
      expect(migration?.sql).toBe(`-- pg-tenant: no-transaction\n${SQL}`)
      expect(isChecksumOf(migration!, sha256(SQL))).toBe(true)
    },
  )

  test('a text with both kinds of line ends is what it was recorded as', () => {
    const mixed = SQL.replace('\n', '\r\n')
    const [migration] = parseMigrations([{ id: '1', sql: mixed }])
    expect(checksumsOf(migration!).split(' ')).toContain(sha256(mixed))
  })

  test('an annotation that was added later is how it is run, not what it is', () => {
    const now = parseMigrations([{ id: '1', sql: `-- pg-tenant: no-transaction\n${SQL}` }])
    expect(pending(now, new Map([['1', sha256(SQL)]]))).toEqual([])
  })

  test('another text is not', async () => {
    const now = parseMigrations([{ id: '1', sql: SQL }])
    expect(() => pending(now, new Map([['1', sha256(`${SQL}-- more`)]]))).toThrowError(/edited/)
  })
})

describe('a fleet whose files were checked out anew, with other line ends', () => {
  const world = useWorld([])
  const windows = { id: '0002_tags', sql: WINDOWS }
  const more = { id: '0003_more', sql: 'create table more (id int)' }

  test('has nothing to do, and goes on from there', async () => {
    const former = world.tenancy({ migrations: [NOTES, windows] })
    await former.provision('acme')
    // As a release wrote it that took the file's bytes as they were.
    await world.root.query('update c_acme._tenant_migration set checksum = $1 where id = $2', [
      sha256(WINDOWS),
      '0002_tags',
    ])
    await world.root.query('update tenancy.tenant_migration set checksum = $1 where id = $2', [
      sha256(WINDOWS),
      '0002_tags',
    ])

    const unix = { id: '0002_tags', sql: SQL }
    expect(await world.tenancy({ migrations: [NOTES, unix] }).migrate()).toMatchObject({
      ok: true,
      behind: 0,
    })
    expect(await world.tenancy({ migrations: [NOTES, unix, more] }).migrate()).toMatchObject({
      ok: true,
      migrated: 1,
    })
    expect((await world.tenancy({ migrations: [NOTES, unix, more] }).provision('acme')).migrations).toEqual(
      [],
    )
  })

  test('still notices an edited file', async () => {
    const edited = { id: '0002_tags', sql: `${SQL}-- more` }
    expect(await codeOf(world.tenancy({ migrations: [NOTES, edited, more] }).migrate())).toBe('CONFLICT')
  })
})
