import { describe, expect, it, test } from 'vitest'
import { lintMigrations } from '../../src/migrations/lint.ts'
import { parseMigrations } from '../../src/migrations/migrations.ts'
import { annotationsOf, inTransaction, readScripts, textInRoom } from '../../src/migrations/script.ts'
import { statementsOf } from '../../src/migrations/statements.ts'

const texts = (sql: string) => statementsOf(sql, 'm').map(({ text, line }) => [line, text])
const lint = (sql: string, allowSchemas: string[] = []) =>
  lintMigrations([{ id: 'm', sql }], { allowSchemas }).map(
    ({ severity, rule, line }) => `${severity} ${rule} ${line}`,
  )

describe('statements', () => {
  it.each([
    [
      'create table a (b text);\n\nselect 1;',
      [
        [1, 'create table a (b text)'],
        [3, 'select 1'],
      ],
    ],
    [
      `select ';', ";", $$;$$, $a$;$$;$a$, e'\\';'; x`,
      [
        [1, `select ';', ";", $$;$$, $a$;$$;$a$, e'\\';'`],
        [1, 'x'],
      ],
    ],
    // Behind a line end a string goes on, with backslashes where it began with an E (manual 4.1.2.1).
    [
      "select e'a' -- '\n\t--\n '\\';b'; x",
      [
        [1, "select e'a' -- '\n\t--\n '\\';b'"],
        [3, 'x'],
      ],
    ],
    [
      "select e'a' /* '\n */ '\\'; x; select 'a'\n'\\'; x",
      [
        [1, "select e'a' /* '\n */ '\\'"],
        [2, 'x'],
        [2, "select 'a'\n'\\'"],
        [3, 'x'],
      ],
    ],
    ['-- a; b\n/* c; /* d; */ e; */ select 1', [[2, 'select 1']]],
    [
      'create rule r as on insert to a do (delete from b; delete from c); x',
      [
        [1, 'create rule r as on insert to a do (delete from b; delete from c)'],
        [1, 'x'],
      ],
    ],
    [
      'create function f() returns int begin atomic select case when true then 1 end; select 2; end; select 3',
      [
        [1, 'create function f() returns int begin atomic select case when true then 1 end; select 2; end'],
        [1, 'select 3'],
      ],
    ],
    [
      'create table a ()\n--> statement-breakpoint\ncreate table b ();',
      [
        [1, 'create table a ()'],
        [3, 'create table b ()'],
      ],
    ],
    [';;  ; -- nothing', []],
    [
      'select a$b$c; select $1',
      [
        [1, 'select a$b$c'],
        [1, 'select $1'],
      ],
    ],
  ])('of %j', (sql, expected) => {
    expect(texts(sql)).toEqual(expected)
  })

  it.each([`select 'a`, 'select "a', 'select $x$ a $y$', '/* /* */', `select e'a\\'`])(
    '%j is refused',
    (sql) => {
      expect(() => texts(`select 1;\n${sql}`)).toThrowError(
        expect.objectContaining({ code: 'STATEMENT_REFUSED', details: { migration: 'm', line: 2 } }),
      )
    },
  )
})

describe('annotations', () => {
  it('are read from the comments at the top', () => {
    expect(annotationsOf('\n-- pg-tenant: no-transaction, phase=contract\nselect 1', 'm')).toEqual({
      transaction: false,
      phase: 'contract',
    })
    expect(annotationsOf('select 1;\n-- pg-tenant: no-transaction', 'm').transaction).toBe(true)
  })
  it('a typo is refused', () => {
    expect(() => annotationsOf('-- pg-tenant: no-transactions\nselect 1', 'm')).toThrowError(
      expect.objectContaining({ code: 'STATEMENT_REFUSED', details: { migration: 'm', line: 1 } }),
    )
  })
})

describe('lint refuses', () => {
  it.each([
    [
      'alter table a add constraint f foreign key (b) references "public"."b" (id) not valid',
      'qualified-name',
    ],
    ['create table public.a (b int)', 'qualified-name'],
    ['create table if not exists c_other.a (b int)', 'qualified-name'],
    ['insert into a select * from other.b', 'qualified-name'],
    ['update other.a set b = 1', 'qualified-name'],
    ['create trigger t before insert on other.a execute function f()', 'qualified-name'],
    [`create table a (b int default nextval('other.s'))`, 'qualified-name'],
    [`select 'other.a'::regclass`, 'qualified-name'],
    ['create schema x', 'schema'],
    ['/* x */ DROP SCHEMA c_acme cascade', 'schema'],
    ['alter table a set schema public', 'set-schema'],
    ['set search_path to public', 'session'],
    ['SET LOCAL search_path = public', 'session'],
    ['set role postgres', 'session'],
    ['reset all', 'session'],
    ['begin', 'transaction'],
    ['-- x\ncommit', 'transaction'],
    [`prepare transaction 'x'`, 'transaction'],
    ['copy a from stdin', 'copy'],
    ['create index concurrently i on a (b)', 'no-transaction'],
    ['drop index concurrently i', 'no-transaction'],
    ['vacuum a', 'no-transaction'],
    ['create table\u00a0a (b int)', 'invisible'],
    ['select 1;\n\ufeffselect 2', 'invisible'],
    ['select 1;\u2028', 'invisible'],
    ['-- pg-tenant: no-transaction\ncreate index concurrently on a (b)', 'index-name'],
  ])('%j', (sql, rule) => {
    const lines = sql.split('\n').length
    expect(lint(sql).filter((found) => found.startsWith('error'))).toEqual([`error ${rule} ${lines}`])
  })
})

test('a NUL character, which no text of PostgreSQL has, is said before anything runs', () => {
  const misspelt = [{ id: 'm', sql: 'select 1', transaction: 'false' as unknown as boolean }]
  expect(() => lintMigrations(misspelt)).toThrowError(/transaction true or false \(m\)/)
  expect(() => lint("select 'a\0b'")).toThrowError(/without NUL characters \(m has one\)/)
})

describe('lint lets pass', () => {
  it.each([
    `insert into a (b) values ('create schema x; commit; "public".y')`,
    'comment on column a.b is $$from other.b$$',
    'select extract(year from a.b) from a where a.b is distinct from a.c',
    'create function f() returns trigger language plpgsql as $$ begin commit; end $$',
    'create policy p on a using (a.b = current_setting($$x$$))',
    'select a.b from a join c on a.b = c.b',
    'create table a (b int check (a.b > 0)); -- create schema',
    'select * from pg_catalog.pg_class',
    'set constraints all deferred',
    '-- pg-tenant: no-transaction\ncreate unique index concurrently if not exists i on a (b); drop index concurrently x',
  ])('%j', (sql) => {
    expect(lint(sql)).toEqual([])
  })
  it('schemas that are allowed', () => {
    expect(lint('create table a (b int references shared.plans)', ['shared'])).toEqual([])
  })
})

describe('lint warns of', () => {
  it.each([
    ['create index on a (b)', ['index-locks']],
    ['create table a (b int); create index on a (b)', []],
    ['alter table a alter column b type bigint', ['type-rewrites']],
    ['alter table a alter b set data type bigint', ['type-rewrites']],
    ['alter table a add constraint c check (b > 0)', ['constraint-locks']],
    ['alter table a add constraint c check (b > 0) not valid', []],
    ['alter table a alter column b set not null', ['not-null-locks']],
    ['alter table a drop column b', ['expand-removes']],
    ['-- pg-tenant: phase=contract\nalter table a drop column b', []],
    ['alter table a rename column b to c', ['expand-removes']],
  ])('%j', (sql, rules) => {
    expect(lint(sql).map((found) => found.split(' ')[1])).toEqual(rules)
  })
})

describe('rows that policies hide from the owner as well', () => {
  const FORCED = 'alter table a enable row level security, force row level security;'
  it.each([
    [`${FORCED} update a set b = 1`, 1],
    [`${FORCED} delete from only a`, 1],
    [`${FORCED} update b set b = 1`, 0],
    [
      `${FORCED} alter table a no force row level security; update a set b = 1; alter table a force row level security`,
      0,
    ],
    ['alter table a force row level security; update a set b = 1', 0],
  ])('%j', (sql, count) => {
    expect(lint(sql).filter((found) => found === 'warning row-security 1')).toHaveLength(count)
  })
})

describe('for a new tenant', () => {
  it('a migration without a transaction becomes one with it', () => {
    const sql = '-- pg-tenant: no-transaction\ncreate index concurrently i on a (b);\nvacuum a;\nselect 1'
    const [script] = readScripts(parseMigrations([{ id: 'm', sql }]))
    expect(script && inTransaction(script).map(({ text, line }) => [text, line])).toEqual([
      ['create index  i on a (b)', 2],
      ['select 1', 4],
    ])
  })
})

describe('inside the tenant’s room', () => {
  it.each([
    ['select id into kept from notes', true],
    ['with one as (select 1 as id) select id into kept from one', true],
    ['select (select max(id) from notes)', false],
    [
      'with one as (insert into notes (body) values (1) returning id) insert into kept select * from one',
      false,
    ],
    ['with one as (select 1) merge into kept using one on true when matched then do nothing', false],
    ['insert into kept select 1', false],
    [`select 'into'`, false],
    ['select "into" from notes', false],
  ])('%s: SELECT INTO is explained, which runs it: %s', (sql, explained) => {
    const [statement] = readScripts(parseMigrations([{ id: 'm', sql }]))[0]?.statements ?? []
    expect(statement && textInRoom(statement).startsWith('explain (analyze')).toBe(explained)
  })
})
