import { quoteLiteral } from '../sql/identifier.ts'

// What a call of a room leaves for COMMIT to run.

/** In the message of the error that a room's pending call raises, where triggers are left that COMMIT would run; the error names their table. */
const PENDING = 'pg_tenant:pending'

// Before PostgreSQL 18 deferred triggers run as whoever commits, the administrator; on 18 as the tenant still, but inside
// COMMIT, behind all that clears the session. `set constraints all immediate` has run
// them inside, but one of them may have deferred its successors again, or the recheck of an exclusion constraint. No view
// shows that; ALTER TABLE refuses to touch a table with pending events (55006), and this one changes nothing. Those of
// foreign keys run as the table's owner, whose casts and operators they call: inside COMMIT those could prepare what we send next.
const DEFERRABLE = 't.tgdeferrable'
const THIS_DATABASE = '(select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())'
const TABLES_OF = (
  role: string,
) => `pg_catalog.pg_shdepend d join pg_catalog.pg_trigger t on t.tgrelid = d.objid
  where d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass and d.deptype = 'o' and d.refobjid = ${role}
    and d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.dbid = ${THIS_DATABASE} and ${DEFERRABLE}`

// Rows are written under this lock, which is kept until the transaction ends.
const WRITTEN = `l.pid = pg_catalog.pg_backend_pid() and l.locktype = 'relation' and l.mode = 'RowExclusiveLock'
    and l.database = ${THIS_DATABASE}`

const TO_ASK = `select distinct t.tgrelid::pg_catalog.regclass
  from ${TABLES_OF('(select oid from pg_catalog.pg_roles where rolname = current_user)')}
    and t.tgrelid in (select l.relation from pg_catalog.pg_lock_status() l where ${WRITTEN})`

/** Raises `pg_tenant:pending`; `pending` is declared as `regclass`. As the owner, whose tables they are. */
export const NOTHING_PENDING = `begin
for pending in execute ${quoteLiteral(TO_ASK)}
loop execute pg_catalog.format('alter table %s reset (pg_tenant_nothing)', pending); end loop;
exception when object_in_use then raise exception using errcode = '55006', message = '${PENDING}', table = pending::pg_catalog.text;
end;`

// Tables of others cannot be asked so. What was written in this transaction is still locked, and that is enough to refuse it.
const WRITTEN_ELSEWHERE = (
  owner: string,
) => `pg_catalog.pg_lock_status() l join pg_catalog.pg_class c on c.oid = l.relation
    join pg_catalog.pg_roles o on o.oid = c.relowner join pg_catalog.pg_trigger t on t.tgrelid = c.oid
  where ${WRITTEN} and not o.rolsuper and o.rolname not in (${owner}, session_user) and ${DEFERRABLE}`

const LOCKED = `select c.oid::pg_catalog.regclass from ${WRITTEN_ELSEWHERE('current_user')} limit 1`

/** The same of tables that are somebody else's. */
export const NOTHING_PENDING_ELSEWHERE = `execute ${quoteLiteral(LOCKED)} into pending;
if pending is not null then raise exception using errcode = '55006', message = '${PENDING}', table = pending::pg_catalog.text; end if;`

/**
 * Whether anything can be pending behind a call at all; `pendingCall` tells whether it is. It is asked by the administrator,
 * under its own path, of the catalogue alone. $1 the owner, or null.
 */
export const mayBePending = ({ shared }: { readonly shared?: boolean }): string => {
  const own = `exists (select from ${TABLES_OF('pg_catalog.to_regrole(pg_catalog.quote_ident(coalesce($1, current_user)))::pg_catalog.oid')})`
  return shared ? `(${own} or exists (select from ${WRITTEN_ELSEWHERE('$1')}))` : own
}
