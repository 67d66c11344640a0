import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isTenancyError } from '@org/core'
import type pg from 'pg'
import type { IsolationLevel, Tenancy } from '../../src/index.ts'
import type { Threat } from './claims.ts'
import type { Setting } from './setting.ts'

/** Two tenants, `acme` and `globex`, each with one row in `notes`: `row of <key>`. `acme` attacks. */
export interface Scene {
  readonly setting: Setting
  readonly level: IsolationLevel
  readonly tenancy: Tenancy
  /** The application's pool, one connection of it. */
  readonly pool: pg.Pool
}

/** Connections of everybody, and of one tenant where they have their own. */
export const CONNECTIONS = { all: 3, one: 2 }

const OTHERS = 'row of globex'

/** Runs the attack and says what it saw; `got …` when it had what it wanted. */
export const THREATS: Readonly<Record<Threat, (scene: Scene) => Promise<string>>> = {
  mistakes: (scene) =>
    mistakes(
      scene,
      (sql) => scene.tenancy.query('acme', sql),
      async (sql) => void (await scene.pool.query(sql)),
    ),
  names: (scene) => reads(scene.tenancy.query('acme', `select body from ${notesOfOther(scene)}`)),
  switching,
  planted,
  outside: ({ pool, ...scene }) => reads(pool.query(`select body from ${notesOfOther({ pool, ...scene })}`)),
  fallthrough,
  sizes,
  existence,
  connections,
}

const notesOfOther = ({ setting, level }: Scene) => `${setting.schemaOf(level, 'globex')}.notes`

type Result = Promise<{ readonly rows: readonly object[] }>

/** What came back of a query on `notes`. */
async function reads(result: Result): Promise<string> {
  try {
    const bodies = (await result).rows.map((row) => String((row as { body: unknown }).body))
    if (bodies.some((body) => body.includes(OTHERS))) return 'got rows of the other tenant'
    return bodies.length === 0 ? 'no rows' : 'own rows only'
  } catch (error) {
    return refusal(error)
  }
}

function refusal(error: unknown): string {
  const state = isTenancyError(error) ? error.details?.sqlState : (error as { code?: unknown }).code
  return `refused with ${state ?? error}`
}

/**
 * Statements that name no tenant, on a connection on which somebody left the other's path and setting.
 *
 * @param run how they are run
 * @param poison leaves something on the session they are run on
 */
export async function mistakes(
  { setting, level }: Scene,
  run: (sql: string) => Result,
  poison: (sql: string) => Promise<void>,
): Promise<string> {
  const seen: string[] = []
  for (const sql of [
    'select body from notes',
    'select n.body from notes n, notes o',
    'update notes set body = body returning body',
  ]) {
    await poison(`set search_path to ${setting.schemaOf(level, 'globex')}`)
    await poison(`set app.tenant_id to 'globex'`)
    seen.push(await reads(run(sql)))
  }
  return [...new Set(seen)].join('; ')
}

/** An expression by which one statement becomes a tenant; at level schema there is nothing to become. */
function becoming({ setting, level }: Scene, key: string): string {
  if (level === 'schema') return `''`
  if (level === 'row') return `set_config('app.tenant_id', '${key}', true)`
  return `set_config('role', '${setting.roleOf(level, key)}', true)`
}

async function switching(scene: Scene): Promise<string> {
  const { setting, level, tenancy } = scene
  const notes = notesOfOther(scene)
  const [there, back] = [becoming(scene, 'globex'), becoming(scene, 'acme')]
  const xml = `query_to_xml('select body from ${notes}', true, false, '')::text`
  const read = await reads(
    tenancy.query('acme', `select case when ${there} is not null then ${xml} end as body, ${back}`),
  )
  const forge = `do $$ begin perform ${there}; insert into ${notes} (body) values ('forged'); perform ${back}; end $$`
  const written = await tenancy.query('acme', forge).then(() => 'done', refusal)
  if (written !== 'done') return [...new Set([read, written])].join('; ')
  const mine = level === 'row' ? `and tenant_id = 'globex'` : ''
  const found = await setting.rootAt(level, 'globex', `select from ${notes} where body = 'forged' ${mine}`)
  return `${read}${found.rowCount === 1 ? ', and forged one' : ''}`
}

/** Only the administrator may make a schema there: the trap tries, as whoever runs it and as whoever that can become. */
const TRAP = [
  `create function grab() returns void language sql as ''`,
  `create function trap(a text) returns text language plpgsql immutable set search_path from current
    as $f$ begin perform grab(); return a; end $f$`,
  'create table bait (a text check (trap(a) is not null))',
  'create index on bait (trap(a))',
  `insert into bait values ('x')`,
  `create or replace function grab() returns void language plpgsql as $f$ begin
    begin perform set_config('role', 'none', true); exception when others then null; end;
    begin execute 'create schema had'; exception when others then null; end;
  end $f$`,
]

async function planted({ setting, level, tenancy }: Scene): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'planted-'))
  const from = join(folder, 'archive')
  const had = async (key: string) =>
    (await setting.rootAt(level, key, `select from pg_namespace where nspname = 'had'`)).rows.length > 0
  try {
    for (const sql of TRAP) await tenancy.query('acme', sql)
    await tenancy.backup('acme', { to: from })
    await tenancy.restore('clone', { from })
    if (await had('clone')) return 'got the administrator’s rights'
    // Control: it has what whoever runs it has.
    await setting.rootAt(level, 'acme', `select ${setting.schemaOf(level, 'acme')}.grab()`)
    return (await had('acme')) ? 'nothing was had' : 'the trap does not work'
  } catch (error) {
    return refusal(error)
  } finally {
    await setting.rootAt(level, 'acme', 'drop schema if exists had')
    await rm(folder, { recursive: true })
  }
}

async function fallthrough({ setting, level, tenancy }: Scene): Promise<string> {
  const { root } = setting.world
  await root.query(
    `create table if not exists public.prices as select 'shared' as item; grant select on public.prices to public`,
  )
  const read = await tenancy
    .query('acme', 'select item from prices')
    .then(({ rows }) => (rows.length > 0 ? 'rows of the shared table' : 'no rows'), refusal)
  // Another program of the same tenancy, started after the table was made.
  const made = await setting
    .tenancy(level, { pool: setting.world.pool({ connectionString: setting.directUrl, max: 2 }) })
    .provision('fresh')
    .then(
      () => 'a tenant is made',
      (error: { code: string }) => `no tenant is made (${error.code})`,
    )
  const { findings } = await tenancy.doctor()
  const said = findings.some(({ code, subject }) => code === 'SHARED_RIGHTS' && subject === 'public.prices')
  await root.query('drop table public.prices')
  return read.startsWith('refused')
    ? read
    : `${said ? '' : 'got '}${read}; ${made}${said ? ', doctor says so' : ''}`
}

async function sizes({ setting, level, tenancy }: Scene): Promise<string> {
  const size = async () => {
    const { rows } = await tenancy.query<{ bytes: string }>(
      'acme',
      `select coalesce(sum(pg_total_relation_size(c.oid)), 0) as bytes
         from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relname = 'notes'`,
      [setting.schemaOf(level, 'globex')],
    )
    return Number(rows[0]?.bytes)
  }
  const before = await size()
  await tenancy.query(
    'globex',
    `insert into notes (body) select repeat('more ', 100) || g from generate_series(1, 300) g`,
  )
  return (await size()) > before ? 'got the growth of the other tenant' : 'nothing is seen to grow'
}

async function existence({ setting, level, tenancy }: Scene): Promise<string> {
  const [schema, role] = [setting.schemaOf(level, 'globex'), setting.roleOf(level, 'globex')]
  const places: Readonly<Record<string, readonly [string, string]>> = {
    'the registry': [`select from tenancy.tenant where key = $1`, 'globex'],
    'names of schemas': ['select from pg_namespace where nspname = $1', level === 'row' ? '' : schema],
    'names of roles': ['select from pg_roles where rolname = $1', role],
    'names of databases': ['select from pg_database where datname = $1', role],
  }
  const found: string[] = []
  for (const [place, [sql, value]] of Object.entries(places)) {
    const there = await tenancy.query('acme', sql, [value]).then(
      ({ rowCount }) => (rowCount ?? 0) > 0,
      () => false,
    )
    if (there) found.push(place)
  }
  return found.length > 0 ? `got ${found.join(', ')}` : 'nothing is found'
}

/** One tenant opens more scopes than it could be let have, and keeps what it gets; the other wants one. */
async function connections({ setting, level }: Scene): Promise<string> {
  const { all, one } = CONNECTIONS
  const pool = setting.world.pool({ connectionString: setting.directUrl, max: all })
  const tenancy = setting.tenancy(level, {
    pool,
    tenantPools: { maxConnections: all, maxPerTenant: one },
  })
  const [over, full] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const own = level === 'login' || level === 'database'
  let open = 0
  const scopes = Array.from({ length: all + 1 }, () =>
    tenancy.withTenant('acme', async (db) => {
      await db.query('select 1')
      if (++open === (own ? one : all)) full.resolve()
      await over.promise
    }),
  )
  const ended = Promise.allSettled(scopes)
  try {
    // The rest of its scopes wait in front of the other tenant.
    await full.promise
    await tenancy.query('globex', 'select 1', [], own ? {} : { connectionTimeout: 400 })
    return 'the other tenant is served'
  } catch (error) {
    if (isTenancyError(error) && error.code === 'POOL_EXHAUSTED') return 'got all connections'
    return refusal(error)
  } finally {
    over.resolve()
    await ended
    await tenancy.close()
  }
}
