// @module-tag sampled
import { startWireProxy } from '@org/pg-testing'
import type pg from 'pg'
import { describe, expect, it } from 'vitest'
import type { Tenancy } from '../../src/index.ts'
import { ALL_SUBJECTS, useSetting } from '../levels/setting.ts'
import { hasTurn } from '../support/sample.ts'

// Hazard z: a tenant's SQL can replace whatever has a name on its session. Nothing that another tenant runs has one, and
// nothing that a later scope of the same tenant runs, but what its own callers have named.

const setting = useSetting()
const NAMED = { text: 'select body from notes order by body', name: 'mine' }

/** Puts a write, and a lie, under every name there is or was. */
const REPLACE = `do $hostile$
  declare one text;
  begin
    for one in select name from pg_prepared_statements
      union values ('pg_tenant_scratch'), ('pg_tenant_begin'), ('pg_tenant_reset'), ('pg_tenant_commit'),
        ('pg_tenant_gate_role'), ('pg_tenant_gate_schema'), ('pg_tenant_constraints'), ('mine'), ('mine@role_good')
    loop
      begin execute format('deallocate %I', one); exception when others then null; end;
      execute format('prepare %I as insert into notes (body) values (%L) returning %L as body', one, 'by ' || one, 'forged');
    end loop;
  end $hostile$`

/** The same where rows name their tenant. */
const replaceAt = (level: string) =>
  level === 'row'
    ? REPLACE.replace(
        '(body) values (%L)',
        '(tenant_id, body) values (current_setting($s$app.tenant_id$s$), %L)',
      )
    : REPLACE

const LIE = `do $$ begin perform set_config('timezone', 'Pacific/Kiritimati', false), set_config('datestyle', 'SQL, DMY', false),
  set_config('standard_conforming_strings', 'off', false); end $$`
const SEES = `select current_setting('timezone') <> 'Pacific/Kiritimati' and current_setting('datestyle') not like 'SQL%'
  and current_setting('standard_conforming_strings') = 'on' as own`

describe.each(ALL_SUBJECTS.filter(({ level }) => hasTurn(level)))('level $level', ({ level, logsIn }) => {
  async function stage(): Promise<{ tenancy: Tenancy; pool: pg.Pool | undefined }> {
    const pool = logsIn ? undefined : setting.world.pool({ connectionString: setting.directUrl, max: 1 })
    const tenancy = setting.tenancy(level, {
      ...(pool && { pool }),
      ...(logsIn && { tenantPools: { maxConnections: 1, maxPerTenant: 1 } }),
    })
    for (const key of ['evil', 'good']) {
      await tenancy.provision(key)
      await tenancy.query(key, 'delete from notes')
      await tenancy.query(key, 'insert into notes (body) values ($1)', [`of ${key}`])
    }
    return { tenancy, pool }
  }
  const bodies = async (tenancy: Tenancy, key: string) =>
    (await tenancy.query<{ body: string }>(key, NAMED.text)).rows.map(({ body }) => body)

  it('another tenant, and the same in its next scope, run what they say and keep what they are told', async () => {
    const { tenancy } = await stage()
    for (const key of logsIn ? ['evil'] : ['good', 'evil']) {
      for (let time = 0; time < 3; time++) await tenancy.query(key, NAMED)
      await tenancy.query('evil', replaceAt(level)).catch(() => undefined)
      await tenancy.query('evil', LIE).catch(() => undefined)
      const scope = tenancy.withTenant(key, async (db) => {
        await db.query(`insert into notes (body) values ('debit')`)
        throw new Error('changed my mind')
      })
      await expect(scope).rejects.toThrow('changed my mind')
      expect(await bodies(tenancy, key)).toEqual([`of ${key}`])
      expect((await tenancy.query(key, SEES)).rows).toEqual([{ own: true }])
      await tenancy.query(key, `insert into notes (body) values ('credit')`)
      expect(await bodies(tenancy, key)).toEqual(['credit', `of ${key}`])
      await tenancy.query(key, `delete from notes where body = 'credit'`)
    }
  })

  it.skipIf(logsIn)('another tenant does not run what is under the names of its callers', async () => {
    const { tenancy } = await stage()
    for (let time = 0; time < 3; time++) await tenancy.query('good', NAMED)
    await tenancy.query('evil', replaceAt(level)).catch(() => undefined)
    for (let time = 0; time < 3; time++)
      expect((await tenancy.query('good', NAMED)).rows).toEqual([{ body: 'of good' }])
    expect(await bodies(tenancy, 'good')).toEqual(['of good'])
  })

  it('statements of callers stay under their names while their tenant stays', async () => {
    const { tenancy } = await stage()
    const kept = async (key: string) =>
      (await tenancy.query(key, `select name from pg_prepared_statements where name like 'mine%'`)).rowCount
    await tenancy.query('evil', NAMED)
    await tenancy.query('evil', NAMED)
    expect(await kept('evil')).toBe(1)
    if (!logsIn) expect(await kept('good')).toBe(0)
  })

  it.skipIf(logsIn)('names are not believed when somebody else had the connection', async () => {
    const { tenancy, pool } = await stage()
    for (let time = 0; time < 2; time++) await tenancy.query('good', NAMED)
    await pool?.query(`do $$ begin execute 'deallocate all'; end $$`)
    const read = tenancy.withTenant('good', async (db) => {
      await db.query('select 1')
      return (await db.query(NAMED)).rows
    })
    expect(await read).toEqual([{ body: 'of good' }])
  })

  it.skipIf(logsIn)('a listener of the pool that runs something first does no harm', async () => {
    const { tenancy, pool } = await stage()
    pool?.on('acquire', (client) => {
      client
        .query({ text: `select $1::text, set_config('datestyle', 'SQL, DMY', false)`, values: ['x'] })
        .catch(() => undefined)
    })
    for (let time = 0; time < 3; time++) {
      expect(await bodies(tenancy, 'good')).toEqual(['of good'])
      expect((await tenancy.query('good', SEES)).rows).toEqual([{ own: true }])
    }
  })
})

it('the gate is sent once for many tenants, and again when others had the session', async () => {
  let gates = 0
  const proxy = await startWireProxy({
    target: setting.directUrl,
    onMessage: ({ text }) => {
      if (text?.includes('pg_advisory_unlock_all')) gates++
    },
  })
  const pool = setting.world.pool({ connectionString: proxy.url, max: 1 })
  const tenancy = setting.tenancy('role', { pool })
  for (const key of ['evil', 'good']) await tenancy.provision(key)
  for (const key of ['evil', 'good']) await tenancy.query(key, 'select 1')
  gates = 0
  for (const key of ['evil', 'good', 'evil']) await tenancy.query(key, 'select 1')
  expect(gates).toBe(0)
  await pool.query('select 1')
  await tenancy.query('good', 'select 1')
  expect(gates).toBe(1)
  await pool.end()
  await proxy.close()
})

describe('commands by any spelling', () => {
  it.each([
    'declare "without" cursor with hold for select 1',
    'declare U&"\\0063" cursor with hold for select 1',
    `declare U&"!0063" uescape '!' no scroll cursor with hold for select 1`,
    'declare "for" binary insensitive cursor /* without */ with /* x */ hold for select 1',
    `notify U&"any", 'payload'`,
    `notify "a,b" , 'payload'`,
    `notify /* , */ any_channel -- x
      , 'payload'`,
    `notify U&"!0061" uescape '!', 'payload'`,
  ])('%s is refused', async (sql) => {
    const tenancy = setting.tenancy('role')
    await tenancy.provision('evil')
    await expect(tenancy.query('evil', sql)).rejects.toMatchObject({ code: 'STATEMENT_REFUSED' })
  })

  it.each([
    'declare "with hold" cursor without hold for select 1',
    'declare hold cursor for select 1 as hold',
    'notify "a,b"',
    `notify U&"!0061" uescape '!' ;`,
  ])('%s is not', async (sql) => {
    const tenancy = setting.tenancy('role')
    await tenancy.provision('evil')
    expect((await tenancy.query('evil', sql)).command).toMatch(/DECLARE|NOTIFY/)
  })
})

it.each([0, 3, 500])('a stream of %i rows holds its table no longer than it is read', async (count) => {
  const tenancy = setting.tenancy('role')
  await tenancy.provision('evil')
  await tenancy
    .withTenant('evil', async (db) => {
      await db.query('create table streamed as select generate_series(1, $1::int) as n', [count])
      for await (const _ of db.stream('select n from streamed'));
      await db.query('alter table streamed add column x int')
      throw new Error('undo')
    })
    .catch((error: Error) => expect(error.message).toBe('undo'))
})
