// @module-tag sampled
import { startWireProxy } from '@org/pg-testing'
import type pg from 'pg'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Tenancy } from '../../src/index.ts'
import { ALL_SUBJECTS, useSetting } from '../levels/setting.ts'
import { hasTurn, SLOW } from '../support/sample.ts'

// Statements that a connection keeps by itself (`keepStatements`): for the tenant that has it and nobody else, bounded, and run
// from a name only ahead of everything the caller's scope does.

const setting = useSetting()
const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})
const READ = 'select body from notes order by body'
const KEPT = `select name, statement from pg_prepared_statements where name like 'pgt\\_kept\\_%' order by name`

/** Puts a lie under every name there is, and under those that are likely to come. */
const REPLACE = `do $hostile$
  declare one text;
  begin
    for one in select name from pg_prepared_statements
      union select 'pgt_kept_' || n from generate_series(1, 9) n union select 'pgt_kept_' || chr(96 + n) from generate_series(1, 26) n
    loop
      begin execute format('deallocate %I', one); exception when others then null; end;
      execute format('prepare %I as select %L::text as body', one, 'forged');
    end loop;
  end $hostile$`

describe.each(ALL_SUBJECTS.filter(({ level }) => hasTurn(level)))('level $level', ({ level, logsIn }) => {
  beforeAll(async () => {
    const maker = setting.tenancy(level)
    for (const key of ['evil', 'good']) await maker.provision(key)
    await maker.close()
  })

  async function stage(keepStatements: number) {
    const texts: string[] = []
    const proxy = await startWireProxy({
      target: setting.directUrl,
      onMessage: ({ text }) => void (text !== undefined && texts.push(text)),
    })
    const pool: pg.Pool | undefined = logsIn
      ? undefined
      : setting.world.pool({ connectionString: proxy.url, max: 1 })
    const tenancy = setting.tenancy(level, {
      keepStatements,
      ...(pool && { pool }),
      ...(logsIn && { tenantPools: { maxConnections: 1, maxPerTenant: 1 } }),
    })
    closing.push(async () => {
      await pool?.end()
      await proxy.close()
    })
    for (const key of ['evil', 'good']) {
      await tenancy.query(key, 'delete from notes')
      await tenancy.query(key, 'insert into notes (body) values ($1)', [`of ${key}`])
    }
    return { tenancy, pool, texts }
  }
  const read = async (tenancy: Tenancy, key: string) => (await tenancy.query(key, READ)).rows
  const kept = async (tenancy: Tenancy, key: string) =>
    (await tenancy.query<{ name: string; statement: string }>(key, KEPT)).rows.map(
      ({ statement }) => statement,
    )
  const of = (key: string) => [{ body: `of ${key}` }]

  it('a statement is parsed once while its tenant keeps the connection', async () => {
    const { tenancy, texts } = await stage(10)
    for (let time = 0; time < 3; time++) expect(await read(tenancy, 'good')).toEqual(of('good'))
    expect(await kept(tenancy, 'good')).toContain(READ)
    if (logsIn) return
    texts.length = 0
    for (let time = 0; time < 3; time++) expect(await read(tenancy, 'good')).toEqual(of('good'))
    expect(texts.filter((text) => text.includes(READ))).toEqual([])
    await tenancy.withTenant('good', async (db) => {
      expect((await db.query(READ)).rows).toEqual(of('good'))
      expect(texts.filter((text) => text.includes(READ))).toEqual([])
      // Behind the first statement names are not believed in.
      expect((await db.query(READ)).rows).toEqual(of('good'))
      expect(texts.filter((text) => text.includes(READ)).length).toBe(1)
    })
  })

  it('nothing is kept unless it is asked for', async () => {
    const { tenancy } = await stage(0)
    for (let time = 0; time < 3; time++) await read(tenancy, 'good')
    expect(await kept(tenancy, 'good')).toEqual([])
  })

  it.skipIf(logsIn)('another tenant runs what it says and finds none of it', async () => {
    const { tenancy } = await stage(10)
    for (let time = 0; time < 3; time++) {
      for (let twice = 0; twice < 3; twice++) expect(await read(tenancy, 'good')).toEqual(of('good'))
      for (let twice = 0; twice < 3; twice++) await tenancy.query('evil', 'select 1').catch(() => undefined)
      expect(await kept(tenancy, 'evil')).not.toContain(READ)
      await tenancy.query('evil', REPLACE)
      for (let twice = 0; twice < 3; twice++) expect(await read(tenancy, 'good')).toEqual(of('good'))
      await tenancy.query('evil', REPLACE)
      await tenancy.query('evil', REPLACE)
      expect(await kept(tenancy, 'good')).toEqual([])
    }
  })

  it.skipIf(logsIn)('tenants in turn keep nothing, which would only have to be taken away', async () => {
    const { tenancy } = await stage(10)
    for (const key of ['good', 'evil', 'good', 'evil', 'good']) await read(tenancy, key)
    expect(await kept(tenancy, 'good')).toEqual([])
  })

  it('statements behind a lie in the same scope run as they say', async () => {
    const { tenancy } = await stage(10)
    for (let time = 0; time < 3; time++) await read(tenancy, 'evil')
    await tenancy.withTenant('evil', async (db) => {
      await db.query(REPLACE)
      expect((await db.query(READ)).rows).toEqual(of('evil'))
    })
  })

  it('a statement that was taken away is prepared again', async () => {
    const { tenancy } = await stage(10)
    for (let time = 0; time < 3; time++) await read(tenancy, 'evil')
    await tenancy.query('evil', `do $$ begin execute 'deallocate all'; end $$`)
    for (let time = 0; time < 3; time++) expect(await read(tenancy, 'evil')).toEqual(of('evil'))
  })

  it('are bounded by number, and what was used longest ago goes first', async () => {
    const { tenancy } = await stage(2)
    await tenancy.query('good', 'select 0')
    for (const text of ['select 1', 'select 2', 'select 1', 'select 3']) await tenancy.query('good', text)
    const { rows } = await tenancy.withTenant('good', async (db) => {
      await db.query('set local statement_timeout to 0').catch(() => undefined)
      return await db.query<{ statement: string }>(KEPT)
    })
    expect(rows.map(({ statement }) => statement).sort()).toEqual(['select 1', 'select 3'])
  })

  it('what may mean something else next time, or is too long, is not kept', async () => {
    const { tenancy } = await stage(10)
    const texts = [
      `select timestamptz 'now' is not null`,
      `select date 'Today' is not null`,
      `select date ' tomorrow ' is not null`,
      `select date E'\\x74oday' is not null`,
      `select date U&'!0074oday' uescape '!' is not null`,
      'do $$ begin end $$',
      `select '${'x'.repeat(9_000)}'`,
    ]
    for (const text of texts) {
      for (let time = 0; time < 3; time++) await tenancy.query('good', text)
      expect((await kept(tenancy, 'good')).filter((one) => !one.includes('pgt\\_kept'))).not.toContain(text)
    }
    await tenancy.query('good', 'select now() as n')
    await tenancy.query('good', 'select now() as n')
    expect(await kept(tenancy, 'good')).toContain('select now() as n')
  })
})

it.skipIf(SLOW)('what a migration has outlived is prepared anew', async () => {
  const pool = setting.world.pool({ connectionString: setting.directUrl, max: 1 })
  const tenancy = setting.tenancy('role', { pool, keepStatements: 10 })
  closing.push(() => pool.end())
  await tenancy.provision('evil')
  await tenancy.query('evil', 'create table wide (a int)')
  await tenancy.query('evil', 'insert into wide values (1)')
  for (let time = 0; time < 7; time++) await tenancy.query('evil', 'select * from wide')
  await setting.world.root.query('alter table role_evil.wide add column b int default 2').catch(async () => {
    await tenancy.query('evil', 'alter table wide add column b int default 2')
  })
  expect((await tenancy.query('evil', 'select * from wide')).rows).toEqual([{ a: 1, b: 2 }])
  await tenancy.query('evil', 'drop table wide')
})

it.skipIf(SLOW).each([-1, 201, 1.5, '5'])('%s is refused', (keepStatements) => {
  const pool = setting.world.pool({ connectionString: setting.directUrl, max: 1 })
  closing.push(() => pool.end())
  expect(() => setting.tenancy('role', { pool, keepStatements: keepStatements as number })).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTION' }),
  )
})
