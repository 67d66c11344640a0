import { describe, expect, test } from 'vitest'
import { lintMigrations } from '../../src/index.ts'
import { useWorld } from '../support/world.ts'

const PEOPLE = { id: '0001', sql: 'create table people (email extensions_only)' }

describe('schemas that tenants share', () => {
  const world = useWorld([])
  const tenancy = (more = {}) =>
    world.tenancy({
      schemaPrefix: 's_',
      controlSchema: 'shared',
      sharedSchemas: ['public', 'extensions'],
      migrations: [PEOPLE],
      ...more,
    })

  test('are given to tenants where the administrator may; else provision says which right is lacking, and doctor too', async () => {
    await world.root.query(`create schema extensions; create domain extensions.extensions_only as text`)
    await expect(tenancy().provision('acme')).rejects.toMatchObject({
      message: expect.stringMatching(/does not exist.*GRANT USAGE ON SCHEMA "extensions"/),
      details: { sqlState: '42704', migration: '0001' },
    })
    expect((await tenancy().doctor()).findings.map(({ code }) => code)).toContain('SHARED_USAGE')
    await world.root.query(`grant usage on schema extensions to ${world.adminRole} with grant option`)
    expect(await tenancy().provision('acme')).toMatchObject({ created: true })
    expect((await tenancy().query('acme', 'select * from people')).rows).toEqual([])
    expect((await tenancy().doctor()).findings.map(({ code }) => code)).not.toContain('SHARED_USAGE')
  })

  test('a migration that finds nothing in a closed public is told where it may be', async () => {
    await world.root.query('create domain public.closed as text; revoke all on schema public from public')
    const migrations = [{ id: '0001', sql: 'create table bags (b closed)' }]
    await expect(
      world.tenancy({ schemaPrefix: 'h_', controlSchema: 'hard', migrations }).provision('acme'),
    ).rejects.toMatchObject({
      message: expect.stringMatching(/GRANT USAGE ON SCHEMA "public"/),
      details: { sqlState: '42704' },
    })
    await world.root.query('grant usage on schema public to public')
  })

  test('PL/pgSQL in them is told by doctor: a connection keeps the types of whoever came first', async () => {
    await world.root.query(`create function public.soothe() returns void language plpgsql as 'begin end';
      create function public.calm() returns void language plpgsql set search_path to pg_catalog as 'begin end'`)
    const found = async () =>
      (await tenancy().doctor()).findings.filter(({ code }) => code === 'SHARED_FUNCTION')
    expect((await found()).map(({ subject }) => subject)).toEqual(['public.soothe'])
    await world.root.query('alter function public.soothe() set search_path to pg_catalog')
    expect(await found()).toEqual([])
  })

  test('reference data that foreign keys may point to is nobody’s rows, where that is said', async () => {
    await world.root.query(`create table public.countries (code text primary key);
      grant select, references on public.countries to public`)
    const plain = (controlSchema: string, references = true) =>
      world
        .tenancy({
          ...{ schemaPrefix: `${controlSchema}_`, controlSchema, migrations: [] },
          sharedTables: [{ name: 'countries', references }],
        })
        .provision('acme')
    const refused = { details: { finding: 'shared_rights', objects: 'public.countries' } }
    expect(await plain('rf')).toMatchObject({ created: true })
    await expect(plain('rg', false)).rejects.toMatchObject(refused)
    await world.root.query('grant insert on public.countries to public')
    await expect(plain('rh')).rejects.toMatchObject(refused)
    await world.root.query('drop table public.countries')
  })
})

describe('policies that bind nobody', () => {
  const lint = (...sql: string[]) =>
    lintMigrations(sql.map((one, at) => ({ id: String(at + 1), sql: one }))).flatMap(
      ({ rule, migration, line }) => (rule === 'row-security' ? [`${migration}:${line}`] : []),
    )

  test.each([
    [['create table a (x int);\nalter table a enable row level security'], ['1:2']],
    [['alter table a enable row level security, force row level security'], []],
    [['alter table a enable row level security', 'alter table only a force row level security'], []],
    [['alter table a force row level security', 'alter table if exists a enable row level security'], []],
    [['alter table a enable row level security', 'alter table b force row level security'], ['1:1']],
    [['alter table a enable row level security; alter table a disable row level security'], []],
    [
      [
        'alter table a force row level security; alter table a no force row level security; alter table a enable row level security',
      ],
      ['1:1'],
    ],
  ])('%j', (sql, lines) => {
    expect(lint(...sql)).toEqual(lines)
  })
})
