/**
 * Everything PostgreSQL tells of a session. Statements under the library's own name are those that ask, and PL/pgSQL shows its
 * settings from its first use on.
 */
const SESSION = `select jsonb_pretty(jsonb_build_object(
  'user', current_user, 'session_user', session_user, 'role', current_setting('role'),
  'settings', (select jsonb_object_agg(name, concat(setting, ' by ', source)) from pg_settings
    where source <> 'default' or name not like 'plpgsql.%'),
  'secret', coalesce(current_setting('app.secret', true), ''),
  'prepared', (select jsonb_agg(concat(name, ': ', statement) order by name) from pg_prepared_statements
    where name <> 'pg_tenant_scratch'),
  'cursors', (select jsonb_agg(name order by name) from pg_cursors where is_holdable),
  'locks', (select jsonb_agg(concat(classid, ' ', objid, ' ', mode)) from pg_locks
    where locktype = 'advisory' and pid = pg_backend_pid() and objid in (4711, 4712, 1)),
  'temporary', (select jsonb_agg(name) from (
    select relname as name from pg_class where relnamespace = pg_my_temp_schema()
    union all select typname from pg_type where typnamespace = pg_my_temp_schema()
    union all select proname from pg_proc where pronamespace = pg_my_temp_schema()) t),
  'channels', (select jsonb_agg(channel) from pg_listening_channels() channel)
)) as session`

const LASTVAL = 'select lastval()'
const RANDOM = 'select random() as r'

type Run = (sql: string) => Promise<{ rows: object[] }>

/** What the next user of the session meets. */
export async function snapshotOf(run: Run): Promise<string> {
  const { rows } = await run(SESSION)
  const lastval = await run(LASTVAL).then(
    () => 'answered',
    () => 'none',
  )
  return `${(rows[0] as { session: string }).session}\nlastval: ${lastval}`
}

/** The first number a session draws. */
export async function drawn(run: Run): Promise<unknown> {
  return (await run(RANDOM)).rows[0]
}
