// @module-tag sampled
import { startWireProxy } from '@org/pg-testing'
import type pg from 'pg'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Tenancy } from '../../src/index.ts'
import { ALL_SUBJECTS, useSetting } from '../levels/setting.ts'
import { inTurn, SLOW } from '../support/sample.ts'
import { drawn, snapshotOf } from './snapshot.ts'

// Sessions are left by a function of the administrator's (registry/leave-function.ts). What a tenant does to it, to what it is planned
// with or to the session it is first compiled in changes nothing for whoever comes next; where it may not be believed in, or
// is not there, sessions are left statement by statement.

const setting = useSetting()
const ONE_POOL = ALL_SUBJECTS.filter(({ logsIn }) => !logsIn)
const NAME = 'leave_scope_1'

/** As much of everything as one statement can leave. */
const LEAVES = `do $hostile$ begin
  perform set_config('app.secret', 'of evil', false), set_config('timezone', 'Pacific/Kiritimati', false),
    pg_advisory_lock(4711), setseed(0.25);
  execute 'declare "without" cursor with hold for select 1';
  execute 'prepare evil as select 1';
  execute 'listen evil';
  execute 'create temp table left_behind as select 1 as x';
end $hostile$`

/** Lies about how the function, or the gate that calls it, is read, planned or compiled. */
const LIES: readonly string[] = [
  ...['extra_errors', 'extra_warnings'].map((name) => `set plpgsql.${name} to 'all'`),
  ...['error', 'use_variable', 'use_column'].map((how) => `set plpgsql.variable_conflict to '${how}'`),
  'set plpgsql.check_asserts to off',
  'set check_function_bodies to off',
  'set standard_conforming_strings to off',
  'set transform_null_equals to on',
  'set plan_cache_mode to force_custom_plan',
  'set plan_cache_mode to force_generic_plan',
  'set jit_above_cost to 0',
  'set default_transaction_read_only to on',
  'set default_transaction_isolation to serializable',
  'set row_security to off',
  'set session_replication_role to replica',
  `set search_path to pg_temp, role_evil, schema_evil, public`,
  `set statement_timeout to '1ms'`,
  `set client_min_messages to error`,
  `create function ${NAME}(float8, boolean) returns int language sql as 'select 1'`,
  `create function pg_temp.${NAME}(float8, boolean) returns int language sql as 'select 1'`,
  `create function pg_advisory_unlock_all() returns int language sql as 'select 1'`,
  `create or replace function control.${NAME}(seed float8, keeps_names boolean) returns int language sql as 'select 1'`,
  `alter function control.${NAME}(float8, boolean) set search_path to pg_temp`,
  `alter function control.${NAME}(float8, boolean) owner to current_user`,
  `drop function control.${NAME}(float8, boolean)`,
  `create function control.num_nulls(int) returns int language sql as 'select 1'`,
  `revoke execute on function control.${NAME}(float8, boolean) from session_user`,
]

/** In one statement, so that the lie is still there when the scope is left. */
const telling = (lie: string, schema: string) => {
  const sql = `${lie.replaceAll('control.', `${schema}.`)}`.replaceAll("'", "''")
  return `do $$ begin begin execute '${sql}'; exception when others then null; end;
    execute $s$${LEAVES}$s$; end $$`
}

describe.each(ONE_POOL)('level $level', ({ level }) => {
  const stage = (url = setting.directUrl): { tenancy: Tenancy; pool: pg.Pool } => {
    const pool = setting.world.pool({ connectionString: url, max: 1 })
    return { tenancy: setting.tenancy(level, { pool }), pool }
  }
  const seenBy = (tenancy: Tenancy) => snapshotOf((sql) => tenancy.query('good', sql))
  let before: string
  let bare: string
  let schema: string
  beforeAll(async () => {
    const { tenancy, pool } = stage()
    for (const key of ['evil', 'good']) await tenancy.provision(key)
    for (let time = 0; time < 2; time++) before = await seenBy(tenancy)
    bare = await snapshotOf((sql) => pool.query(sql))
    const { rows } = await pool.query<{ schema: string }>(
      `select nspname as schema from pg_proc p join pg_namespace n on n.oid = pronamespace where proname = '${NAME}'
        and has_schema_privilege(nspname, 'usage')`,
    )
    schema = String(rows[0]?.schema)
    await pool.end()
  })

  it.skipIf(SLOW)('a session is left in one call', async () => {
    const texts: string[] = []
    const proxy = await startWireProxy({
      target: setting.directUrl,
      onMessage: ({ text }) => void (text !== undefined && texts.push(text)),
    })
    const { tenancy, pool } = stage(proxy.url)
    for (let time = 0; time < 3; time++) await tenancy.query('good', 'select 1')
    texts.length = 0
    await tenancy.query('good', 'select 1')
    expect(texts.filter((text) => /reset all|close all|unlisten|discard|deallocate/.test(text))).toEqual([])
    await pool.end()
    await proxy.close()
  })

  it.each(level === 'role' ? inTurn(LIES, 12) : SLOW ? LIES : [])(
    '%s: nothing is there for whoever comes next',
    async (lie) => {
      // A session that compiles the function behind the lie, and one that has done so before.
      for (const warm of [0, 2]) {
        const { tenancy, pool } = stage()
        for (let time = 0; time < warm; time++) await tenancy.query('good', 'select 1')
        for (let time = 0; time < 2; time++) {
          await tenancy.query('evil', telling(lie, schema)).catch(() => undefined)
          expect(await seenBy(tenancy)).toBe(before)
          await tenancy.query('evil', telling(lie, schema)).catch(() => undefined)
          expect(await snapshotOf((sql) => pool.query(sql))).toBe(bare)
        }
        const draws = new Set<string>()
        for (let time = 0; time < 3; time++) {
          await tenancy.query('evil', telling(lie, schema)).catch(() => undefined)
          draws.add(JSON.stringify(await drawn((sql) => tenancy.query('good', sql))))
        }
        expect(draws.size).toBe(3)
        await pool.end()
      }
    },
  )
})

it.skipIf(SLOW).each([
  [
    'become its owner',
    (_: string, owner: string, app: string) => [`grant ${owner} to ${app}`, `revoke ${owner} from ${app}`],
  ],
  [
    'make another of its name, for other types',
    (schema: string, _: string, app: string) =>
      ['grant', 'revoke'].map(
        (verb) => `${verb} create on schema ${schema} ${verb === 'grant' ? 'to' : 'from'} ${app}`,
      ),
  ],
  [
    'have it from somebody else',
    (schema: string, owner: string) =>
      // Whoever owns it can replace it; the one who may not even log in stands for anybody.
      ['pg_monitor', owner].map((to) => `alter function ${schema}.${NAME}(float8, boolean) owner to ${to}`),
  ],
] as const)('is not believed in by who could %s', async (_, rights) => {
  const { root } = setting.world
  const pool = setting.world.pool({ connectionString: setting.directUrl, max: 1 })
  const tenancy = setting.tenancy('role', { pool })
  await tenancy.provision('good')
  const { rows } = await root.query<{ schema: string; owner: string }>(
    `select quote_ident(nspname) as schema, proowner::regrole::text as owner
      from pg_proc p join pg_namespace n on n.oid = pronamespace where proname = '${NAME}'`,
  )
  const app = new URL(setting.directUrl).username
  for (const { schema, owner } of rows) await root.query(String(rights(schema, owner, app)[0]))
  const texts: string[] = []
  const proxy = await startWireProxy({
    target: setting.directUrl,
    onMessage: ({ text }) => void (text !== undefined && texts.push(text)),
  })
  const through = setting.world.pool({ connectionString: proxy.url, max: 1 })
  const wary = setting.tenancy('role', { pool: through })
  for (let time = 0; time < 3; time++) await wary.query('good', 'select 1')
  for (const { schema, owner } of rows) await root.query(String(rights(schema, owner, app)[1]))
  expect(texts.filter((text) => text.includes(NAME)).every((text) => text.includes('pg_proc'))).toBe(true)
  expect(texts.filter((text) => text === 'reset all').length).toBeGreaterThan(2)
  await through.end()
  await proxy.close()
})

it.skipIf(SLOW)('may go while sessions that knew it live', async () => {
  const { root } = setting.world
  const pool = setting.world.pool({ connectionString: setting.directUrl, max: 1 })
  const tenancy = setting.tenancy('role', { pool })
  await tenancy.provision('good')
  for (let time = 0; time < 3; time++) await tenancy.query('good', 'select 1')
  const { rows } = await root.query<{ drop: string; create: string; allow: string }>(
    `select format('drop function %I.%I', nspname, proname) as drop, pg_get_functiondef(p.oid) as create,
      format('alter function %1$I.%2$I owner to %3$s; grant execute on function %1$I.%2$I to ${new URL(setting.directUrl).username}',
        nspname, proname, proowner::regrole) as allow
      from pg_proc p join pg_namespace n on n.oid = pronamespace where proname = '${NAME}'`,
  )
  for (const { drop } of rows) await root.query(drop)
  for (let time = 0; time < 3; time++)
    expect((await tenancy.query('good', 'select 1 as one')).rows).toEqual([{ one: 1 }])
  for (const { create, allow } of rows) await root.query(`${create}; ${allow}`)
})
