import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { lintMigrations } from '../../src/admin.ts'
import { loadMigrations } from '../../src/index.ts'
import { byNumber } from '../../src/migrations/folder/order.ts'

const folders: string[] = []
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true })
})

async function folderOf(files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'folders-'))
  folders.push(folder)
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), text)
  }
  return folder
}

const load = async (files: Record<string, string>) => await loadMigrations(await folderOf(files))
const idsOf = async (names: string[]) =>
  (await load(Object.fromEntries(names.map((name) => [name, 'select 1'])))).map(({ id }) => id)
const refusal = (names: string[]) =>
  idsOf(names).then(
    (ids) => `loaded ${ids}`,
    (error) => `${error.code}: ${error.message}`,
  )

describe('the order of files', () => {
  test.each([
    [
      ['10_index.sql', '2_tags.sql', '1_notes.sql'],
      ['1_notes', '2_tags', '10_index'],
    ],
    [
      ['0010_c.sql', '0002_b.sql', '0001_a.sql'],
      ['0001_a', '0002_b', '0010_c'],
    ],
    [
      ['20240901120000_b.sql', '20231231235959_a.sql'],
      ['20231231235959_a', '20240901120000_b'],
    ],
    [
      ['m9.sql', 'm10.sql'],
      ['m9', 'm10'],
    ],
    [
      ['V10__c.sql', 'V2__b.sql', 'V1__a.sql'],
      ['V1__a', 'V2__b', 'V10__c'],
    ],
    [
      ['V1.10__d.sql', 'V1.2__c.sql', 'V1_1__b.sql', 'V1__a.sql'],
      ['V1__a', 'V1_1__b', 'V1.2__c', 'V1.10__d'],
    ],
    [
      ['v10__c.sql', 'u1__a.sql', 'v2__b.sql', 'v1__a.sql'],
      ['v1__a', 'v2__b', 'v10__c'],
    ],
    [
      ['v10__c.sql', 'v2_b.sql'],
      ['v2_b', 'v10__c'],
    ],
    [
      ['1.10_b.sql', '1.2_a.sql', '20240101000000_c.sql'],
      ['1.2_a', '1.10_b', '20240101000000_c'],
    ],
    [
      ['0002_TAGS.SQL', '0001_notes.sql'],
      ['0001_notes', '0002_TAGS'],
    ],
  ])('%j', async (names, ids) => {
    expect(await idsOf(names)).toEqual(ids)
  })

  test('of names with numbers is a total order, whatever the names', () => {
    const name = fc.string({ unit: fc.constantFrom('0', '1', '2', '9', 'a', 'B', '_', '.') })
    fc.assert(
      fc.property(name, name, name, (a, b, c) => {
        expect(Math.sign(byNumber(a, b)) + Math.sign(byNumber(b, a))).toBe(0)
        expect(byNumber(a, b) === 0).toBe(a === b)
        if (byNumber(a, b) < 0 && byNumber(b, c) < 0) expect(byNumber(a, c)).toBeLessThan(0)
      }),
    )
  })
})

describe('files that take a migration back', () => {
  test.each([
    [['0001_notes.up.sql', '0001_notes.down.sql'], ['0001_notes']],
    [
      ['1_a.up.sql', '1_a.down.sql', '1_a.postgres.down.sql', '2_b.postgres.up.sql', '2_b.down.sql'],
      ['1_a', '2_b.postgres'],
    ],
    [
      ['1_move.sql', '1_move_postgres.sql'],
      ['1_move', '1_move_postgres'],
    ],
    [['0001_NOTES.UP.SQL', '0001_NOTES.DOWN.SQL'], ['0001_NOTES']],
    [
      ['1-notes-up.sql', '1-notes-down.sql', '2-tags-up.sql'],
      ['1-notes-up', '2-tags-up'],
    ],
    [['V1__a.sql', 'U1__a.sql'], ['V1__a']],
    [['0001_tear_down.sql'], ['0001_tear_down']],
    [
      ['0001_notes.sql', '0001_notes.down.sql', '2_a.sql', '2_a_undo.sql'],
      ['0001_notes', '2_a'],
    ],
    [
      ['1.sql', '1.rollback.sql', '2_undo.sql'],
      ['1', '2_undo'],
    ],
    [
      // Postgrator knows them by the number.
      [
        '001.do.sql',
        '001.undo.sql',
        '002.do.tags.sql',
        '002.UNDO.tags.sql',
        '3.do.add-b.sql',
        '003.undo.drop-b.sql',
      ],
      ['001.do', '002.do.tags', '3.do.add-b'],
    ],
    [
      ['V1__a.sql', 'V2__b.SQL', 'U2__b.Sql'],
      ['V1__a', 'V2__b'],
    ],
  ])('%j', async (names, ids) => {
    expect(await idsOf(names)).toEqual(ids)
  })

  test('without the one that applies it are refused', async () => {
    expect(await refusal(['0001_notes.down.sql'])).toMatch(/^INVALID_OPTION: 0001_notes\.down\.sql takes/)
    expect(await refusal(['001.do.sql', '002.undo.b.sql'])).toMatch(
      /^INVALID_OPTION: 002\.undo\.b\.sql takes/,
    )
  })
})

const UP = 'create table users (id int);'
const DOWN = 'drop table users;'

describe('parts that take a migration back', () => {
  test.each([
    ['dbmate', `-- migrate:up\n${UP}\n\n-- migrate:down\n${DOWN}\n`],
    [
      'goose',
      `-- +goose Up\n-- +goose StatementBegin\n${UP}\n-- +goose StatementEnd\n-- +goose Down\n${DOWN}`,
    ],
    ['sql-migrate', `-- +migrate Up\n${UP}\n-- +migrate Down\n${DOWN}`],
    ['node-pg-migrate', `-- Up Migration\n${UP}\n-- Down Migration\n${DOWN}`],
    ['tern', `${UP}\n---- create above / drop below ----\n${DOWN}`],
    ['MyBatis', `${UP}\n-- //@UNDO\n${DOWN}`],
    ['Play', `# --- !Ups\n${UP}\n# --- !Downs\n${DOWN}`],
    ['plain', `-- Up\n${UP}\n-- Down\n${DOWN}`],
    ['rambler', `-- rambler up\n${UP}\n-- rambler down\n${DOWN}`],
    ['micrate', `-- +micrate Up\n${UP}\n-- +micrate Down\n${DOWN}`],
    ['signs', `-- === UP ===\n${UP}\n-- [down]\n${DOWN}`],
    ['at signs', `-- @up\n${UP}\n-- @down:\n${DOWN}`],
    ['other words', `-- upgrade --\n${UP}\n-- downgrade --\n${DOWN}`],
    ['rollback', `-- Migration Up\n${UP}\n\n-- Rollback:\n${DOWN}`],
    ['undo first', `-- undo\n${DOWN}\n-- do\n${UP}`.replace('-- undo', '-- do\n-- undo')],
    ['block comments', `/* up */\n${UP}\n/* down */\n${DOWN}`],
    ['down first', `-- migrate:down\n${DOWN}\n-- migrate:up\n${UP}`],
    ['CRLF', `-- migrate:up\r\n${UP}\r\n-- migrate:down\r\n${DOWN}\r\n`],
  ])('%s: only what applies it is left, on its own lines', async (_, text) => {
    const [migration] = await load({ '0001_users.sql': text })
    expect(migration?.sql).toContain(UP)
    expect(migration?.sql).not.toContain('drop')
    const line = (sql: string | undefined) => sql?.split('\n').findIndex((one) => one.startsWith(UP))
    expect(line(migration?.sql)).toBe(line(text))
  })

  test.each([
    `-- apply\n${UP}\n-- Rollback:\n--   ${DOWN}\n`,
    `-- revert 0007, which nobody used\n${UP}\n-- do not undo\n${UP}`,
  ])('a comment that no SQL stands behind, or of more words, changes nothing: %j', async (sql) => {
    expect((await load({ '1.sql': sql }))[0]?.sql).toBe(sql)
  })

  test('in the file of a tool with signs of its own, words are comments: nothing is left out for one, nor run', async () => {
    const more = 'create table undo_log (id int);'
    const sql = `-- +goose Up\n${UP}\n-- Undo\n${more}\n-- +goose Down\n-- apply\n${DOWN}`
    expect((await load({ '1.sql': sql }))[0]?.sql.trim()).toBe(`${UP}\n-- Undo\n${more}`)
  })

  test('a megabyte of lines that would take back is read in steps that grow with it', async () => {
    // Each looked through all behind it before: minutes.
    const sql = '-- undo\n'.repeat(131_072)
    expect((await load({ '1.sql': `select 1;\n${sql}` }))[0]?.sql).toContain('-- undo')
  })

  test('a marker inside a string is data', async () => {
    const sql = `insert into notes values ('\n-- migrate:down\n'), ($$\n-- migrate:down\n$$);\n${UP}`
    expect((await load({ '1.sql': sql }))[0]?.sql).toBe(sql)
  })

  test('a migration that only takes back is applied by its name, as tools do', async () => {
    const [migration] = await load({ '1.sql': `-- +goose Up\n\n-- +goose Down\n${DOWN}` })
    expect(migration?.sql).toBe('-- nothing to apply\n')
  })

  test('a plain "-- down" that nothing came before is asked about, not guessed', async () => {
    const folder = await folderOf({ '1.sql': `${UP}\n-- down\n${DOWN}` })
    const other = await folderOf({ '1.sql': `${UP}\n-- Rollback:\n-- how\n${DOWN}` })
    await expect(loadMigrations(other)).rejects.toMatchObject({ details: { migration: '1', line: 2 } })
    await expect(loadMigrations(folder)).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      details: { migration: '1', line: 2 },
    })
  })

  test.each([
    ['dbmate', '-- migrate:up transaction:false\nselect 1;\n-- migrate:down\n'],
    ['goose', '-- +goose NO TRANSACTION\n-- +goose Up\nselect 1;\n'],
    ['sql-migrate', '-- +migrate Up notransaction\nselect 1;\n'],
    ['sqlx', '-- no-transaction\nselect 1;\n'],
    ['Atlas', '-- atlas:txmode none\n\nselect 1;\n'],
    ['tern', '---- tern: disable-tx ----\nselect 1;\n'],
    ['postgres-migrations', '-- postgres-migrations disable-transaction\nselect 1;\n'],
  ])('%s: a file that needs no transaction is marked as one', async (_, text) => {
    const [migration] = await load({ '1.sql': text })
    expect(migration?.sql.trimStart()).toMatch(/^-- pg-tenant: no-transaction\n/)
  })
})

describe('what cannot run in a transaction', () => {
  const INDEX = '-- CreateIndex\ncreate index concurrently i on notes (body);\n'

  test.each([
    ['Prisma', { '1_a/migration.sql': INDEX }],
    ['Flyway', { 'V1__a.sql': INDEX }],
    ['golang-migrate', { '1_a.up.sql': INDEX, '1_a.down.sql': 'drop index i' }],
  ])('runs outside, unasked, where a file has nothing else: %s', async (_, files) => {
    const migrations = await load(files)
    expect(migrations[0]).toMatchObject({ sql: INDEX, transaction: false })
    expect(lintMigrations(migrations)).toEqual([])
  })

  test('beside other statements is refused, and no text is taken for a statement', async () => {
    const files = {
      '1.sql': `${INDEX}select 1`,
      '2.sql': `insert into notes values ('vacuum')`,
      '3.sql': `vacuum '`,
    }
    const migrations = await load(files)
    expect(migrations.map(({ transaction }) => transaction)).toEqual([undefined, undefined, undefined])
    expect(lintMigrations(migrations.slice(0, 1))).toContainEqual(
      expect.objectContaining({ rule: 'no-transaction', line: 2 }),
    )
  })
})

describe('what would be left out without anybody noticing is refused', () => {
  test.each([
    [['20240101000000_users.js'], /code of a migration tool/],
    [['1_a.sql', '2_b.ts'], /2_b\.ts is code/],
    [['V1__a.sql', 'R__views.sql'], /repeatable/],
    [['V1__a.sql', 'B2__base.sql'], /baseline/],
    [['V1__a.sql', 'other.sql'], /other\.sql is not named/],
    [['V1__a.sql', 'V01__b.sql'], /same version/],
    [['v1__a.sql', 'r__views.sql'], /repeatable/],
    [['1_a.sql', 'more/2_b.sql'], /subfolder/],
    [['readme.md'], /no \.sql file/],
    [['V1__a.sql', 'V1__a.sql.conf'], /V1__a\.sql\.conf is read by Flyway only/],
    [['20240101_a/migration.sql', 'later.sql'], /later\.sql stands beside folders/],
    [['V1__a.sql', 'afterMigrate.SQL'], /not named/],
    [['1_a.sql', '2_b.pgsql'], /2_b\.pgsql would be left out/],
    [['1_a.sql', '2_b.sql.gz'], /2_b\.sql\.gz would be left out/],
    [['1_a.sql', '2_b.sql.postgres'], /2_b\.sql\.postgres would be left out/],
    [['20240101_a/migration.sql', '20240102_b/migration.ts'], /20240102_b\/migration\.ts would be left out/],
    [['20240101_a/up.sql', '20240102_b/down.sql'], /20240102_b\/down\.sql would be left out/],
    [['1_a.mysql.up.sql', '1_a.postgres.up.sql'], /1_a\.mysql\.up\.sql is for another database/],
    [['1_a.postgres.up.sql', '1_a.up.sql'], /1_a\.postgres\.up\.sql and 1_a\.up\.sql are one migration/],
    [['1_a.postgres.up.sql', '1_a.sql'], /1_a\.postgres\.up\.sql and 1_a\.sql are one migration/],
    [['1_a.pg.sql', '1_a.postgres.sql'], /1_a\.pg\.sql and 1_a\.postgres\.sql are one migration/],
    [['1_a.cockroach.sql', '1_a.sql', '1_a.sqlite3.sql'], /1_a\.cockroach\.sql is for another database/],
  ])('%j', async (names, why) => {
    expect(await refusal(names)).toMatch(/^INVALID_OPTION: /)
    expect(await refusal(names)).toMatch(why)
  })

  test('a name may end in another database that the file is about', async () => {
    const ids = ['1_a', '2_from_oracle', '3_to_pg']
    expect(await idsOf(ids.map((id) => `${id}.sql`))).toEqual(ids)
  })

  test('types beside the migrations, hidden files and notes do not matter', async () => {
    expect(
      await idsOf(['1_a.sql', 'index.d.ts', '.DS_Store', '._1_a.sql', 'README.md', 'atlas.sum']),
    ).toEqual(['1_a'])
  })

  test('reads the delimiter of Atlas that leaves statements ended as they are', async () => {
    const text = '-- atlas:delimiter \\n\\n\\n\n\nselect 1;\n\n\nselect 2;'
    const [migration] = await loadMigrations(await folderOf({ '1.sql': text }))
    expect(migration?.sql).toBe(text)
  })

  test.each([
    ['goose', '-- +goose ENVSUB ON\nselect 1;'],
    ['Atlas', '-- atlas:txtar\n\n-- migration.sql --\nselect 1;\n-- down.sql --\ndrop table users;'],
    ['Atlas', '-- atlas:checkpoint\n\nselect 1;'],
    ['Atlas', '-- atlas:delimiter -- end\n\nselect 1\n-- end\nselect 2'],
    ['Liquibase', '--liquibase formatted sql\n--changeset ana:1\nselect 1;'],
  ])('%s: what only the tool can run: %s', async (_, text) => {
    await expect(
      loadMigrations(await folderOf({ '1.sql': 'select 0', '2.sql': text })),
    ).rejects.toMatchObject({
      code: 'INVALID_OPTION',
    })
  })
})

test('a checkpoint of Atlas’s is read where nothing is ahead of it', async () => {
  const text = '-- atlas:checkpoint\n\nselect 1;'
  expect(await loadMigrations(await folderOf({ '1.sql': text }))).toEqual([{ id: '1', sql: text }])
})

describe('links', () => {
  test('are followed: Kubernetes mounts the files of a ConfigMap so', async () => {
    const folder = await folderOf({ '..2024/0001_a.sql': 'select 1', '0002_b.sql': 'select 2' })
    await symlink('..2024', join(folder, '..data'))
    await symlink('..data/0001_a.sql', join(folder, '0001_a.sql'))
    expect((await loadMigrations(folder)).map(({ id }) => id)).toEqual(['0001_a', '0002_b'])
    await symlink('nowhere.sql', join(folder, '0003_c.sql'))
    await expect(loadMigrations(folder)).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('0003_c.sql'),
    })
  })
})

describe('Flyway', () => {
  test('replaces placeholders, in strings too: what has some is refused by line', async () => {
    const sql = `create table a (b text);\ninsert into a values ('\${schema}')`
    await expect(loadMigrations(await folderOf({ 'V1__a.sql': sql }))).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('V1__a.sql, line 2'),
    })
  })
})

describe('Prisma', () => {
  test('a folder for each migration, in order', async () => {
    const migrations = await load({
      'migration_lock.toml': 'provider = "postgresql"\n',
      '20240202000000_tags/migration.sql': 'select 2',
      '20240101000000_init/migration.sql': 'select 1',
    })
    expect(migrations.map(({ id }) => id)).toEqual(['20240101000000_init', '20240202000000_tags'])
  })

  test('in any case, with byte order marks and Windows’ line ends', async () => {
    const migrations = await load({
      'migration_lock.toml': '\ufeffprovider = "postgresql"\r\n',
      '20240101000000_init/MIGRATION.SQL': '\ufeffselect 1;\r\n',
    })
    expect(migrations).toEqual([{ id: '20240101000000_init', sql: 'select 1;\r\n' }])
  })

  test('begins with the schema that its tables are in, which is the tenant’s own here', async () => {
    const sql = '-- CreateSchema\nCREATE SCHEMA IF NOT EXISTS "public";\nCREATE TABLE "public"."a" (id int);'
    const folder = await folderOf({ '0_init/migration.sql': sql })
    const [init] = await loadMigrations(folder, { unqualify: 'public' })
    expect(init?.sql).toBe('-- CreateSchema\n\nCREATE TABLE "a" (id int);')
    expect((await loadMigrations(folder))[0]?.sql).toBe(sql)
  })

  test('one for another database is refused', async () => {
    const folder = await folderOf({
      'migration_lock.toml': 'provider = "mysql"\n',
      '20240101000000_init/migration.sql': 'select 1',
    })
    await expect(loadMigrations(folder)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  })
})

describe('Diesel and Hasura', () => {
  test('a folder for each migration with up.sql and down.sql, outside a transaction where metadata.toml says so', async () => {
    const migrations = await load({
      '2024-02-02-000000_index/up.sql': 'select 2',
      '2024-02-02-000000_index/down.sql': 'drop index i',
      '2024-02-02-000000_index/metadata.toml': 'run_in_transaction = false\n',
      '2024-01-01-000000_init/up.sql': 'select 1',
      '2024-01-01-000000_init/down.sql': 'drop table notes',
    })
    expect(migrations).toEqual([
      { id: '2024-01-01-000000_init', sql: 'select 1' },
      { id: '2024-02-02-000000_index', sql: 'select 2', transaction: false },
    ])
  })
})

test.each([
  // As Diesel has written dates, one year and another.
  [
    '00000000000000_diesel_initial_setup',
    '20161115111957_dumped',
    '20170804200817_emails',
    '2017-08-31-230457_invitations',
    '2017-09-23-182408_tokens',
    '20180101_day',
    '2025-08-01-000031-0000_update',
    '2026-01-01-000000_later',
  ],
  // Words in front of them, or behind their numbers.
  ['001-create-users', '002-tags', '10-index'],
  ['001-create_users', '002-add_index'],
  ['001-2024_report', '002-5_more'],
  ['20170804200817_emails', '2017-08-31-230457_invitations', 'seed_data'],
  // Counted, as Hasura and others may have it.
  ['1_init', '2_tags', '10_index', '1629298273849_console'],
])('folders with up.sql are in the order of their dates or numbers: %s, …', async (...ids) => {
  const shuffled = ids.toReversed().map((id) => `${id}/up.sql`)
  expect(await idsOf(shuffled)).toEqual(ids)
})

describe('a schema that is taken off', () => {
  test.each([
    [
      'in a DO block',
      'do $$ begin\n alter table "public"."a" add b int; end $$',
      'do $$ begin\n alter table "a" add b int; end $$',
    ],
    [
      'in a function, but not in its strings and comments',
      `create function f() returns int as $f$ select 'public.a', b from public.a -- public.a\n$f$ language sql`,
      `create function f() returns int as $f$ select 'public.a', b from a -- public.a\n$f$ language sql`,
    ],
    [
      'in a string that names a sequence',
      `alter table public.a alter id set default nextval('public.a_id_seq'::regclass)`,
      `alter table a alter id set default nextval('a_id_seq'::regclass)`,
    ],
    [
      'not in data, whatever words stand before it',
      `insert into a values (1) on conflict (id) do update set body = $$public.a$$;
comment on function f is $$public.a$$`,
      `insert into a values (1) on conflict (id) do update set body = $$public.a$$;
comment on function f is $$public.a$$`,
    ],
    [
      'not in data',
      `insert into a values ($$public.a$$, 'public.a')`,
      `insert into a values ($$public.a$$, 'public.a')`,
    ],
    [
      'not in code of another language',
      `do $$ x = "public.a $$ language plx`,
      `do $$ x = "public.a $$ language plx`,
    ],
  ])('%s', async (_, sql, without) => {
    const folder = await folderOf({ '1.sql': sql })
    expect((await loadMigrations(folder, { unqualify: 'public' }))[0]?.sql).toBe(without)
  })
})

describe('the linter', () => {
  const rulesOf = (sql: string) =>
    lintMigrations([{ id: '1', sql }]).map(({ rule, line }) => `${rule} ${line}`)

  test.each([
    ['create table notes (id int);\n\\restrict Zk3pQ0\n', ['psql 2']],
    ['\\connect shop\ncreate table notes (id int);', ['psql 1']],
    ['\\i tables.sql\n', ['psql 1']],
    ['select 1;\n\\! ls\n', ['psql 2']],
    ['select 1\\;select 2', ['psql 1']],
    [`create table notes (id int);\ncreate table \${schema}.more (id int)`, ['placeholder 2']],
    ['create table {{ index .Options "Namespace" }}.more (id int)', ['placeholder 1']],
    [`select '\${name}', $1, $x$\${name}$x$`, []],
    [
      `create table t (b text);\nCOPY t (b) FROM stdin;\nit's\n$$ and "quo\n\\.\n\nset role x;`,
      ['copy 2', 'session 7'],
    ],
    [`create function f() returns text language sql as $$ select '\nCOPY t FROM stdin;\n\\.\n' $$`, []],
    [`create table notes (id int default :'start');`, ['psql 1']],
    ['create table notes (\n  id int default :start);', ['psql 2']],
    [`select (:"column") from notes`, ['psql 1']],
    [`select '1'::text, a[1:n], '\\d', E'\\\\x', "a:b", $$:x$$ from notes`, []],
    ['create extension if not exists citext', ['extension 1']],
    [`select pg_catalog.set_config('search_path', 'public', false)`, ['session 1']],
    [`do $$ begin perform set_config ('role', 'x', true); end $$`, ['session 1']],
    [`create function f() returns text language sql as $$ select set_config('my.x', '1', true) $$`, []],
    ['do $$ begin set local search_path to public; end $$', ['session 1']],
    [`do $$ begin execute 'set role x'; end $$`, ['session 1']],
    ['do $$ begin\n  create extension if not exists citext; end $$', ['extension 1']],
    ['do $$ begin create table public.notes (id int); end $$', ['qualified-name 1']],
    ['do $$ begin /* public.x */ -- set role x\n update notes set body = $1; select a into r.b; end $$', []],
    [`do $$ begin update users set role = 'member', name = 'x'; end $$`, []],
    ['create publication feed for all tables', ['server 1']],
    ['create event trigger e on ddl_command_end execute function f()', ['server 1']],
    [`alter type mood add value if not exists 'calm'`, ['enum-value 1']],
    [`-- pg-tenant: no-transaction\nalter type mood add value 'calm'`, []],
    [
      `do $$ begin\n if not exists (select from pg_type where typname = 'mood') then create type mood as enum ('a'); end if; end $$`,
      ['whole-database 1'],
    ],
    [
      `-- pg-tenant: whole-database\ndo $$ begin if exists (select from pg_class where relname = 'a') then null; end if; end $$`,
      [],
    ],
    [`do $$ begin perform 1 from pg_constraint where conrelid = 'a'::regclass and conname = 'b'; end $$`, []],
    [`do $$ begin perform 1 from pg_type where typowner = current_user::regrole; end $$`, []],
    [`do $$ begin perform 1 from pg_type where typname = 'schema_version'; end $$`, ['whole-database 1']],
    [
      `do $$ begin perform 1 from information_schema.columns where table_name = 'a'; end $$`,
      ['whole-database 1'],
    ],
    [
      `do $$ begin perform 1 from information_schema.columns where table_name = 'a' and table_schema = current_schema(); end $$`,
      [],
    ],
    ['create role somebody', ['server 1']],
    ['do $$ begin create role somebody; exception when duplicate_object then null; end $$', ['server 1']],
    ['drop owned by current_user', ['server 1']],
    ['do $$ begin reassign owned by a to b; end $$', ['server 1']],
    ['alter system set work_mem = 1', ['server 1']],
  ])('%s', (sql, rules) => {
    expect(rulesOf(sql)).toEqual(rules)
  })
})
