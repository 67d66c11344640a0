import { createHash } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Tenancy } from '../../src/index.ts'
import { eventually, useWorld } from '../support/world.ts'
import { makeOwner } from './legacy.ts'

const FIRST = { id: '0001_notes', sql: 'create table notes (id int)' }
const SECOND = { id: '0002_tags', sql: 'create table tags (id int)' }
const THIRD = { id: '0003_more', sql: 'create table more (id int)' }
const migrations = [FIRST, SECOND, THIRD]
const sha = (text: string) => createHash('sha256').update(text).digest('hex')

const world = useWorld([])
let legacy: string
let tenancy: Tenancy
beforeAll(async () => {
  legacy = await makeOwner(world, 'legacy')
  tenancy = world.tenancy({ migrations })
})

const make = (schema: string, sql: string) =>
  world.root.query(`set role ${legacy}; create schema ${schema}; set search_path to ${schema}; ${FIRST.sql}; ${SECOND.sql}; ${sql};
    reset role; reset search_path`)

const TOOLS = {
  drizzle: `create table __drizzle_migrations (id serial primary key, hash text not null, created_at bigint);
    insert into __drizzle_migrations (hash) values ('${sha(FIRST.sql)}'), ('${sha(SECOND.sql)}')`,
  prisma: `create table _prisma_migrations (id varchar(36) primary key, checksum varchar(64) not null, finished_at timestamptz,
      migration_name varchar(255) not null, logs text, rolled_back_at timestamptz, started_at timestamptz not null default now(), applied_steps_count integer not null default 0);
    insert into _prisma_migrations (id, checksum, finished_at, migration_name, rolled_back_at) values ('1', 'x', now(), '0001_notes', null),
      ('2', 'x', now(), '0002_tags', null), ('3', 'x', null, '0003_more', null), ('4', 'x', now(), '0003_more', now())`,
  knex: `create table knex_migrations (id serial primary key, name varchar(255), batch int, migration_time timestamptz);
    create table knex_migrations_lock (index serial primary key, is_locked int);
    insert into knex_migrations (name) values ('0001_notes.js'), ('0002_tags.ts')`,
  typeorm: `create table migrations (id serial primary key, timestamp bigint not null, name varchar not null);
    insert into migrations (timestamp, name) values (1, '0001_notes'), (2, '0002_tags')`,
  flyway: `create table flyway_schema_history (installed_rank int primary key, version varchar(50), description varchar(200) not null,
      type varchar(20) not null, script varchar(1000) not null, checksum int, installed_by varchar(100) not null, installed_on timestamp not null default now(),
      execution_time int not null, success bool not null); create index on flyway_schema_history (success);
    insert into flyway_schema_history values (0, null, 'schema', 'SCHEMA', '"x"', null, 'x', now(), 0, true), (1, '1', '', 'SQL', '0001_notes.sql', 1, 'x', now(), 0, true),
      (2, '2', '', 'SQL', '0002_tags.sql', 1, 'x', now(), 0, true), (3, '3', '', 'SQL', '0003_more.sql', 1, 'x', now(), 0, false)`,
  pgmigrate: `create table pgmigrations (id serial primary key, name varchar(255) not null, run_on timestamp not null);
    insert into pgmigrations (name, run_on) values ('0001_notes', now()), ('0002_tags', now())`,
}

describe("another tool's ledger", () => {
  it.each(Object.entries(TOOLS))('%s: says what a schema has', async (key, sql) => {
    await make(key, sql)
    const adoption = await tenancy.adopt(key, { schema: key })
    expect(adoption).toMatchObject({ adopted: true, baseline: SECOND.id })
    expect(sql).toContain(adoption.baselineFrom)
    const failed = adoption.findings.filter(({ code }) => code === 'LEDGER_FAILED')
    expect(failed.length).toBe(['prisma', 'flyway'].includes(key) ? 1 : 0)
    expect((await tenancy.migrate({ only: [key] })).tenants).toMatchObject([{ applied: [THIRD.id] }])
    expect((await tenancy.query(key, 'select * from more')).rows).toEqual([])
  })

  it('is no difference between tenants that were adopted and others', async () => {
    for (const key of Object.keys(TOOLS)) await tenancy.confirmAdoption(key)
    await tenancy.provision('plain')
    const { findings } = await tenancy.doctor()
    expect(findings.filter(({ code }) => code === 'DRIFT')).toEqual([])
  })

  it('is believed only where it is of these migrations, whole and in order', async () => {
    const knex = (names: string) =>
      `create table knex_migrations (id serial primary key, name text, batch int, migration_time timestamptz); insert into knex_migrations (name) values ${names}`
    await make('strange', knex(`('0001_notes.js'), ('0099_other.js')`))
    await make('gap', knex(`('0002_tags.js')`))
    await make('twice', `${TOOLS.knex}; ${TOOLS.pgmigrate}; delete from pgmigrations where id = 2`)
    for (const schema of ['strange', 'gap', 'twice']) {
      const { findings } = await tenancy.adopt('x', { schema, dryRun: true })
      expect(findings.filter(({ severity }) => severity === 'error').map(({ code }) => code)).toEqual([
        'BASELINE_UNKNOWN',
      ])
    }
    const { findings } = await tenancy.adopt('x', {
      schema: 'twice',
      baseline: FIRST.id,
      drift: 'accept',
      dryRun: true,
    })
    expect(findings.map(({ code }) => code)).toContain('LEDGER_DIFFERS')
  })

  it.each([
    [
      'a view',
      `create function spy() returns text language sql as $f$ insert into spied values (session_user) returning 'x' $f$;
      create view knex_migrations as select spy() as name, 1 as batch, now() as migration_time`,
    ],
    [
      'a policy',
      `${TOOLS.knex}; create function spy() returns bool language plpgsql as $f$ begin insert into spied values (session_user); return true; end $f$;
      alter table knex_migrations enable row level security; create policy p on knex_migrations using (spy())`,
    ],
    [
      'a computed index',
      `${TOOLS.knex}; create function spy(text) returns text immutable language plpgsql as $f$ begin
        if session_user = '$ADMIN' then insert into spied values (session_user); end if; return $1; end $f$;
      create index on knex_migrations (name) where spy('x') = 'y'`,
    ],
    [
      'an own type',
      `create domain mine as text; create table knex_migrations (name mine, batch int, migration_time timestamptz)`,
    ],
    [
      'a CHECK',
      `create function spy(text) returns bool immutable language sql as $f$ select true $f$;
      create table knex_migrations (name text check (spy(name)), batch int, migration_time timestamptz)`,
    ],
    [
      'inherited',
      `create table parent (name text); create table knex_migrations (batch int, migration_time timestamptz) inherits (parent)`,
    ],
  ])('is not read where it is or has %s (hazard x)', async (what, sql) => {
    const schema = what.replaceAll(' ', '_').toLowerCase()
    await make(schema, `create table spied (who text); ${sql.replace('$ADMIN', world.adminRole)}`)
    const { findings } = await tenancy.adopt('x', { schema, dryRun: true })
    expect(findings.filter(({ severity }) => severity === 'error').map(({ code }) => code)).toEqual([
      'LEDGER_UNREADABLE',
    ])
    const given = await tenancy.adopt('x', { schema, baseline: SECOND.id, drift: 'accept', dryRun: true })
    expect(given.findings.filter(({ severity }) => severity === 'error')).toEqual([])
    const { rows } = await world.root.query(`select from ${schema}.spied where who = $1`, [world.adminRole])
    expect(rows).toEqual([])
  })

  it('is not read where it becomes such a one while its lock is waited for (hazard x)', async () => {
    await make(
      'turned',
      `${TOOLS.knex}; create function spy() returns bool language plpgsql as $f$ begin raise exception 'spied'; end $f$`,
    )
    const turning = await world.root.connect()
    await turning.query(`begin; alter table turned.knex_migrations enable row level security, force row level security;
      create policy p on turned.knex_migrations using (turned.spy())`)
    const adopting = tenancy.adopt('x', { schema: 'turned', dryRun: true, lockTimeout: 60_000 })
    await eventually(async () => {
      const { rows } = await world.root.query(
        `select from pg_locks where relation = 'turned.knex_migrations'::regclass and not granted`,
      )
      return rows.length === 1
    })
    await turning.query('commit')
    turning.release()
    const { findings } = await adopting
    expect(findings.filter(({ severity }) => severity === 'error').map(({ code }) => code)).toEqual([
      'LEDGER_UNREADABLE',
    ])
  })

  it('of TypeORM names classes, whose files begin with the moment', async () => {
    const named = [
      { ...FIRST, id: '1700000000000-add-notes' },
      { ...SECOND, id: '1700000000001-AddTags' },
      THIRD,
    ]
    await make(
      'classes',
      TOOLS.typeorm
        .replace('0001_notes', 'AddNotes1700000000000')
        .replace('0002_tags', 'AddTags1700000000001'),
    )
    const adoption = await world
      .tenancy({ migrations: named })
      .adopt('x', { schema: 'classes', dryRun: true })
    expect(adoption.baseline).toBe('1700000000001-AddTags')
  })

  it('may have a column of another type than its tool gives it', async () => {
    await make('words', TOOLS.flyway.replace('success bool', 'success text'))
    expect((await tenancy.adopt('x', { schema: 'words', dryRun: true })).baseline).toBe(SECOND.id)
  })

  it('is needed, or a baseline, where there are migrations', async () => {
    await make('silent', 'select')
    const { findings } = await tenancy.adopt('x', { schema: 'silent', dryRun: true })
    expect(findings).toMatchObject([{ code: 'BASELINE_MISSING', severity: 'error' }])
    expect(
      (
        await world
          .tenancy({ migrations: [], schemaPrefix: 'n_' })
          .adopt('silent', { schema: 'silent', drift: 'accept' })
      ).baseline,
    ).toBe(null)
  })
})
