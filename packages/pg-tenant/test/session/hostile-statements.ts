/** What a tenant's SQL may try to leave on its session, each as one command that a DO block can run. */
const COMMANDS: readonly string[] = [
  `set timezone to 'Pacific/Kiritimati'`,
  `SET datestyle = 'SQL, DMY'`,
  'set standard_conforming_strings to off',
  `set search_path to pg_catalog`,
  `set session statement_timeout to '77s'`,
  `set idle_session_timeout to '1h'`,
  'set default_transaction_read_only to on',
  'set session characteristics as transaction isolation level serializable',
  'set synchronous_commit to off',
  'set row_security to off',
  'set plan_cache_mode to force_generic_plan',
  `set app.secret to 'of evil'`,
  'set role none',
  'reset role',
  'set session authorization default',
  'prepare pg_tenant_scratch as select 1',
  `prepare evil as select 'secret of evil'`,
  'deallocate all',
  'listen evil',
  'unlisten *',
  'create temp table left_behind as select 1 as x',
  'create temporary sequence left_numbers',
  'create temp view left_view as select 1 as x',
  'create type pg_temp.left_type as (x int)',
  'create function pg_temp.left_function() returns int language sql as $s$ select 1 $s$',
  'declare evil cursor with hold for select 1',
  'declare "without" cursor with hold for select 1',
  'discard sequences',
  'discard temp',
  'discard plans',
  'create temp table notes (id int, body text)',
]

/** The same for what is a function. */
const CALLS: readonly string[] = [
  `set_config('role', session_user::text, false)`,
  `set_config('lock_timeout', '1ms', false)`,
  `set_config('client_min_messages', 'error', false)`,
  `set_config('transaction_timeout', '1h', false)`,
  `set_config('extra_float_digits', '0', false)`,
  'pg_advisory_lock(4711)',
  'pg_advisory_lock_shared(4711, 1)',
  'pg_try_advisory_lock(4712)',
  'setseed(0.25)',
  `nextval(pg_get_serial_sequence('notes', 'id'))`,
  `pg_notify('evil', 'payload')`,
  `cursor_to_xml('nobody', 1, false, false, '')`,
  `set_config('session_authorization', session_user::text, false)`,
  'pg_cancel_backend(pg_backend_pid())',
]

/** So many that whoever kept what the server says of them would be full. */
const FLOOD = `do $hostile$ begin for n in 1 .. 5000 loop raise notice 'evil %', n; end loop; perform set_config('timezone', 'Pacific/Kiritimati', false); end $hostile$`

const quoted = (sql: string) => `'${sql.replaceAll("'", "''")}'`
const block = (body: string) => `do $hostile$ begin ${body}; end $hostile$`

/** Spellings of a command that is sent as it is; the scope refuses them, or lets them leave nothing. */
const SPELLINGS: readonly ((sql: string) => string)[] = [
  (sql) => sql,
  (sql) => `/* a /* b */ c */ ;; ${sql.replace(/^\w+/, (word) => word.toUpperCase())} -- end`,
  (sql) => block(`execute ${quoted(sql)}`),
  (sql) => block(`begin execute ${quoted(sql)}; exception when others then null; end`),
]

/** The same for a call; `late` runs it inside COMMIT. */
const CALLINGS: readonly ((call: string) => string)[] = [
  (call) => `select ${call}`,
  (call) => `select count(*) from (select ${call}) as "quoted name"`,
  (call) => block(`perform ${call}`),
  (call) => block(`execute ${quoted(`declare U&"\\0065vil" cursor with hold for select ${call}`)}`),
]

/** Hundreds of single statements, none of which may change anything for whoever has the session next. */
export function hostileStatements(): readonly string[] {
  const spelled = COMMANDS.flatMap((sql) => SPELLINGS.map((spell) => spell(sql)))
  const called = CALLS.flatMap((call) => CALLINGS.map((spell) => spell(call)))
  return [...spelled, ...called, ...CALLS.map((call) => LATE(call)), FLOOD]
}

/** A deferred trigger that makes another deferred again, so that the second one runs inside COMMIT. */
const LATE = (call: string) =>
  block(`create table late_a (x int); create table late_b (x int);
    create function late_fa() returns trigger language plpgsql as $f$ begin
      set constraints all deferred; insert into late_b values (1); return null; end $f$;
    create function late_fb() returns trigger language plpgsql as $f$ begin
      perform ${call}; return null; end $f$;
    create constraint trigger late_a after insert on late_a deferrable initially deferred
      for each row execute function late_fa();
    create constraint trigger late_b after insert on late_b deferrable initially deferred
      for each row execute function late_fb();
    insert into late_a values (1)`)

/** Takes away what {@link hostileStatements} keep in the tenant's own schema. */
export const TIDY = block(`drop table if exists late_a, late_b; drop function if exists late_fa, late_fb`)
