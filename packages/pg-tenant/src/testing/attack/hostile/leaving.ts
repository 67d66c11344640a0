import type { Pool } from 'pg'
import { settle } from '../finding.ts'
import { type HostileCall, OUTSIDE, TOUCHING } from './calls.ts'
import { Escape } from './escape.ts'
import { stolen } from './heard.ts'
import { withNames } from './kind.ts'
import { leaveSql, type Stage } from './stage.ts'

/** What planted code does besides, each for itself: some of it is refused where it runs. */
const LEFTOVERS: Readonly<Record<string, readonly string[]>> = {
  'held cursor': [`declare h_held cursor with hold for select $S.h_probe('left.cursor')`],
  settings: [
    `select pg_catalog.set_config('search_path', '$S, pg_catalog', false)`,
    `select pg_catalog.set_config('role', 'none', false)`,
    `select pg_catalog.set_config('default_transaction_read_only', 'on', false)`,
    `select pg_catalog.set_config('row_security', 'off', false)`,
    `select pg_catalog.set_config('app.tenant_id', 'somebody', false)`,
  ],
  'temporary objects': [
    'create temp table notes (body text)',
    'create temp table pg_class (relname name)',
    `create function pg_temp.lower(varchar) returns text language sql as 'select $1::text'`,
  ],
  'prepared statements': ['deallocate all', 'prepare pg_tenant_begin as select 1'],
  'locks and channels': ['select pg_catalog.pg_advisory_lock(4711)', 'listen h_channel', 'notify h_channel'],
}

const bodyOf = (statements: readonly string[]) =>
  statements
    .map((sql) => `begin execute '${sql.replaceAll("'", "''")}'; exception when others then null; end;`)
    .join('\n')

const LEFT = `select current_user operator(pg_catalog.=) session_user as itself, pg_catalog.current_setting('search_path') as path,
  (select pg_catalog.count(*)::pg_catalog.int4 from pg_catalog.pg_cursor() c where c.is_holdable) as cursors,
  (select pg_catalog.count(*)::pg_catalog.int4 from pg_catalog.pg_prepared_statement() p where p.from_sql) as statements,
  (select pg_catalog.count(*)::pg_catalog.int4 from pg_catalog.pg_class c where c.relnamespace = pg_catalog.pg_my_temp_schema()) as temporary,
  (select pg_catalog.count(*)::pg_catalog.int4 from pg_catalog.pg_lock_status() l where l.locktype = 'advisory'
    and l.pid = pg_catalog.pg_backend_pid()) as locks,
  (select pg_catalog.count(*)::pg_catalog.int4 from pg_catalog.pg_listening_channels()) as channels,
  pg_catalog.current_setting('default_transaction_read_only') as read_only,
  pg_catalog.current_setting('row_security') as row_security,
  pg_catalog.current_setting('app.tenant_id', true) as tenant`

/** What every session of the pool holds, compared with a new one; the pool's are all taken at once. */
async function leftIn(pool: Pool): Promise<readonly string[]> {
  const clients = await Promise.all(Array.from({ length: pool.options.max }, () => pool.connect()))
  const seen: string[] = []
  for (const client of clients) {
    const { rows } = await client.query<Record<string, unknown>>(LEFT)
    const { path, tenant, ...rest } = rows[0] ?? {}
    const clean = { itself: true, cursors: 0, statements: 0, temporary: 0, locks: 0, channels: 0 }
    const odd = Object.entries({ ...clean, read_only: 'off', row_security: 'on' })
      .filter(([name, value]) => rest[name] !== value)
      .map(([name]) => name)
    if (String(path).includes('ak')) odd.push(`search_path ${path}`)
    if (tenant) odd.push('app.tenant_id')
    seen.push(...odd)
    // The next call gets new ones: what was left is said once.
    client.release(true)
  }
  return [...new Set(seen)]
}

/** Behind hostile code that leaves things about: nothing in the administrator's sessions, and the other tenant is served. */
async function mustBeClean(stage: Stage, behind: string): Promise<void> {
  const left = await leftIn(stage.admin)
  const said = stage.heard().filter((report) => stolen(stage.lab.isolation, report).length > 0)
  const [worst] = said
  if (worst)
    throw new Escape(`${behind}: ${worst.had.join(', ')} in ${said.map(({ kind }) => kind).join(' ')}`)
  if (left.length > 0) throw new Escape(`${behind}: left in an administrator's session: ${left.join(', ')}`)
  const { rows } = await stage.tenancy.query(
    stage.good,
    'select body from notes where body = $1 and pg_catalog.current_schema() = $2',
    [`row of ${stage.good}`, stage.targets.victimSchema],
  )
  if (rows.length !== 1) throw new Escape(`${behind}: the other tenant did not see its own row`)
}

const AGAIN = { id: '0003_again', sql: 'update notes set body = body' }

/** Each time with what is left behind, whether or not the call is refused for it. */
const BEHIND: Readonly<Record<string, (stage: Stage) => Promise<unknown>>> = {
  scopes: async ({ tenancy, evil }) => {
    for (const sql of ['insert into h_triggers values (1)', 'update notes set body = body'])
      await settle(tenancy.query(evil, sql))
  },
  backup: ({ tenancy, evil, folder }) =>
    tenancy.backup(evil, { to: `${folder}/left-${process.hrtime.bigint()}` }),
  export: ({ tenancy, evil, folder }) =>
    tenancy.export(evil, { to: `${folder}/left-${process.hrtime.bigint()}` }),
  'migrate without a transaction': ({ next, evil }) =>
    next(OUTSIDE).migrate({ only: [evil], throwOnFailure: false }),
  provision: ({ next, evil }) => next([...OUTSIDE, ...TOUCHING]).provision(evil),
  migrate: ({ next, evil }) =>
    next([...OUTSIDE, ...TOUCHING, AGAIN]).migrate({ only: [evil], throwOnFailure: false }),
}

/** Each kind of leftover, behind a scope and behind migrations. */
export const LEAVING: readonly HostileCall[] = Object.entries(LEFTOVERS).map(([what, statements]) => ({
  id: `left.${what.replaceAll(' ', '-')}`,
  title: `scopes and migrations, leaving behind: ${what}`,
  spoils: true,
  run: async (stage) => {
    const { evil, lab, targets, tenancy } = stage
    await tenancy.query(evil, withNames(leaveSql(bodyOf(statements)), targets.schema))
    const found: string[] = []
    for (const [behind, run] of Object.entries(BEHIND)) {
      if (behind.includes('without') && lab.traits.ownDatabase) continue
      await settle(run(stage))
      const clean = await settle(mustBeClean(stage, behind))
      if (!clean.ok) found.push(clean.error instanceof Escape ? clean.error.message : String(clean.error))
    }
    if (found.length > 0) throw new Escape(found.join('; '))
  },
}))
