import { LEAVE } from '../isolation/gate.ts'
import { qualify } from '../sql/identifier.ts'

/**
 * Leaves a session in one call, where the statements of `scope/leaving.ts` would be parsed one by one: a third of what it costs.
 *
 * It lies in the control schema and is the administrator's, so that no tenant can replace it; it is called by the gate, whose
 * statement nobody can reach, under its qualified name, so that none can shadow it. It runs with the rights of who calls it: a
 * session on which somebody left another role may not call it, and is given up. All in it are commands, which search no path,
 * or qualified. It raises where it cannot do all of it, and the connection is destroyed.
 *
 * `return` and assignments are evaluated without a plan being executed, as `perform` would not be.
 */
export const CREATE_LEAVE = `create or replace function ${LEAVE}(seed double precision, keeps_names boolean) returns integer
language plpgsql as $function$
declare
  done integer;
begin
  reset all;
  done := pg_catalog.num_nulls(
    pg_catalog.pg_advisory_unlock_all(),
    pg_catalog.setseed(seed),
    pg_catalog.set_config('role', null, false));
  execute 'close all';
  unlisten *;
  discard sequences;
  if pg_catalog.pg_my_temp_schema() operator(pg_catalog.<>) 0::pg_catalog.oid then
    discard temp;
  end if;
  if not keeps_names then
    deallocate all;
  end if;
  return done;
end $function$;
revoke all on function ${LEAVE} from public`

/** Lets the application call it. */
export const grantLeave = (controlSchema: string, application: string): string =>
  `grant execute on function ${qualify(controlSchema, LEAVE)} to ${application}`
