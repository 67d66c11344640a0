import { qualify, quoteLiteral } from '../sql/identifier.ts'

/** Its name counts its releases: what a session has planned is never replaced under it. */
const NAME = 'leave_scope_1'

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
export const CREATE_LEAVE = `create or replace function ${NAME}(seed double precision, keeps_names boolean) returns integer
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
revoke all on function ${NAME} from public`

/** Lets the application call it. */
export const grantLeave = (controlSchema: string, application: string): string =>
  `grant execute on function ${qualify(controlSchema, NAME)} to ${application}`

/** The function, as gates know it. */
export interface LeaveFunction {
  readonly name: string
  /**
   * Whether a session may believe in it: there, the administrator's own (nobody else's can lie in that schema) and callable; and
   * who is logged in can never become the administrator, who could replace it.
   */
  readonly there: string
}

export function leaveFunction({ controlSchema }: { readonly controlSchema: string }): LeaveFunction {
  const [schema, name] = [quoteLiteral(controlSchema), quoteLiteral(NAME)]
  return {
    name: qualify(controlSchema, NAME),
    there: `exists (select from pg_catalog.pg_proc p
      join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) p.pronamespace
    where n.nspname operator(pg_catalog.=) ${schema} and p.proname operator(pg_catalog.=) ${name}
      and p.proowner operator(pg_catalog.=) n.nspowner
      and pg_catalog.has_schema_privilege(session_user, n.oid, 'usage')
      and pg_catalog.has_function_privilege(session_user, p.oid, 'execute')
      and not pg_catalog.has_schema_privilege(session_user, n.oid, 'create')
      and not pg_catalog.pg_has_role(session_user, n.nspowner, 'member'))`,
  }
}
