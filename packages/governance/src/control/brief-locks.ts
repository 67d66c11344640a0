import { SQLSTATE, sqlStateOf } from '@org/core'

/** How long one try stands in line for its locks: for so long whoever comes behind waits as well. */
const BRIEFLY = '50ms'
/** The last one, for which an autovacuum gives way (`deadlock_timeout`, 1 s). */
const AT_LAST = '2s'
/** Until then it is tried again. */
const PATIENCE = '10 seconds'

/**
 * Runs statements, some of which lock out all others, without standing in line for those who have the tables open: they would keep
 * all waiting who come behind. Each try is a block of its own, whose locks are gone when it fails; also in a transaction of the caller.
 *
 * @internal
 * @param sql statements, each with its semicolon
 */
export const briefly = (sql: string): string => `do $brief$
declare
  was text := pg_catalog.current_setting('lock_timeout');
  until timestamptz := pg_catalog.clock_timestamp() + interval '${PATIENCE}';
  pause float8 := 0.02;
  last boolean;
begin
  loop
    last := pg_catalog.clock_timestamp() > until;
    perform pg_catalog.set_config('lock_timeout', case when last then '${AT_LAST}' else '${BRIEFLY}' end, true);
    begin
      execute $statements$${sql}$statements$;
      exit;
    exception when lock_not_available then
      if last then raise; end if;
    end;
    perform pg_catalog.pg_sleep(pause * (0.5 + pg_catalog.random()));
    pause := least(pause * 2, 0.4);
  end loop;
  perform pg_catalog.set_config('lock_timeout', was, true);
end $brief$`

/** @internal */
export const isInUse = (error: unknown): boolean => sqlStateOf(error) === SQLSTATE.LOCK_NOT_AVAILABLE
