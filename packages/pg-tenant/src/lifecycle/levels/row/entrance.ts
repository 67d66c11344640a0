import { createHash } from 'node:crypto'
import { TenancyError } from '@org/core'
import type { Admin } from '../../../admin/transaction.ts'
import { TENANT_SETTING } from '../../../isolation/row.ts'
import { qualify, quoteIdentifier } from '../../../sql/identifier.ts'
import { FINDINGS, type RowFinding } from './findings.ts'
import type { RowLifecycle } from './lifecycle.ts'

// What every scope of the tenant holds shared until its transaction ends, where it can be had. It says who is there, so that `drop`
// can wait for them (lifecycle.ts), and nothing else: whoever is in the database can take it, alone or shared (hazard ad). Only an
// administrator who has it, or waits for it, keeps scopes out.
const PRESENCE = `pg_catalog.hashtextextended(pg_catalog.concat('pg_tenant.row:', %1$L, ':', tenant), 0)`

// The tenant's status, `anew` where it was made after the scope had begun, null where its rows are elsewhere. It is only seen, or locked too.
const STATUS = `select case when t.isolation operator(pg_catalog.=) 'row' then
      case when t.created_at operator(pg_catalog.>) pg_catalog.transaction_timestamp()
        and t.created_at operator(pg_catalog.<=) pg_catalog.clock_timestamp() then 'anew' else t.status end end into found_status
    from %3$s t where t.prefix operator(pg_catalog.=) %1$L and t.key operator(pg_catalog.=) tenant`

// Raises 42501 where a tenant is suspended and 3F000 where there is none, which scopes know from the other levels, and
// 22P02 where the scope is not what its opening made it: what the gates of the other levels raise.
//
// Before COMMIT a scope that has written locks its tenant's row, which `drop` locks alone before it deletes: either that waits for
// the COMMIT, or the scope is refused. It never waits for the row, because who drops may wait for rows that the scope wrote. A scope
// that has only read locks nothing, which would make it one that writes. Where the transaction keeps its first snapshot, the lock is
// one that also fails (40001) if the row has changed since, by `suspend` for instance.
// A tenant that was made after the scope had begun is another one, whose key was given out again.
// It runs as the administrator, so every name in it is qualified, or a keyword: types and operators as well, IN among them.
// Conditions are those that need no query wherever that can be: PL/pgSQL evaluates them for a tenth of what a plan costs. The registry
// is asked once each time.
// Only the tenant's own row of it is read: with few tenants the planner would take all of them, whole or by their prefix, rather than two
// pages at random, and comparing them costs more than all the rest.
const ENTERED = `create or replace function %2$s(tenant text, path text) returns boolean
language plpgsql volatile strict security definer set random_page_cost = 0 as $function$
declare
  found_status pg_catalog.text;
begin
  if not coalesce(pg_catalog.current_setting('${TENANT_SETTING}', true) operator(pg_catalog.=) tenant
       and pg_catalog.current_setting('search_path') operator(pg_catalog.=) path
       and pg_catalog.current_setting('synchronous_commit')
         operator(pg_catalog.=) any (array['on', 'remote_apply']::pg_catalog.text[]), false) then
    raise exception using errcode = '22P02', message = 'pg_tenant: scope escaped';
  end if;
  if pg_catalog.pg_current_xact_id_if_assigned() is null then
    if not pg_catalog.pg_try_advisory_xact_lock_shared(${PRESENCE}) then
      if exists (
          select from pg_catalog.pg_lock_status() l cross join lateral pg_catalog.pg_stat_get_activity(l.pid) a
          where l.locktype operator(pg_catalog.=) 'advisory' and l.mode operator(pg_catalog.=) 'ExclusiveLock'
            and l.database operator(pg_catalog.=) (select d.oid from pg_catalog.pg_database d where d.datname operator(pg_catalog.=) pg_catalog.current_database())
            and l.objsubid operator(pg_catalog.=) 1
            and (l.classid::pg_catalog.int8 operator(pg_catalog.<<) 32) operator(pg_catalog.|) l.objid::pg_catalog.int8 operator(pg_catalog.=) ${PRESENCE}
            and pg_catalog.pg_has_role(a.usesysid, current_user, 'member')) then
        raise exception using errcode = '3F000', message = 'pg_tenant: tenant is being dropped';
      end if;
    end if;
    ${STATUS};
  elsif pg_catalog.current_setting('transaction_read_only') operator(pg_catalog.=) 'off' then
    if pg_catalog.current_setting('transaction_isolation') operator(pg_catalog.=) 'read committed' then
      ${STATUS} for key share skip locked;
    else
      ${STATUS} for share skip locked;
    end if;
    if not found then
      raise exception using errcode = '40001', message = 'pg_tenant: tenant is being dropped or changed';
    end if;
  else
    ${STATUS};
  end if;
  if found_status operator(pg_catalog.=) 'active' then
    return true;
  elsif found_status operator(pg_catalog.=) 'anew' then
    raise exception using errcode = '3F000', message = 'pg_tenant: that tenant is gone, there is another of its key';
  elsif found_status operator(pg_catalog.=) 'suspended' then
    raise exception using errcode = '42501', message = 'pg_tenant: tenant is suspended';
  end if;
  raise exception using errcode = '3F000', message = 'pg_tenant: no such tenant';
end $function$`

/** In the function's comment: whose it is, and which release made what stands around it. */
const markOf = ({ registry }: RowLifecycle) => `pg_tenant row ${registry.controlSchema} "${registry.prefix}" `

// $1 schema, $2 name, $3 comment.
const UP_TO_DATE = `select from pg_proc p where p.pronamespace = to_regnamespace($1) and p.proname = $2
  and obj_description(p.oid, 'pg_proc') = $3`

// $1 schema, $2 how our comments begin.
const OTHERS = `select from pg_proc p where p.pronamespace = to_regnamespace($1)
  and starts_with(obj_description(p.oid, 'pg_proc'), 'pg_tenant row ')
  and not starts_with(obj_description(p.oid, 'pg_proc'), $2)`

const COMMENT = `select format('comment on function %1$s(text, text) is %2$L', $1::text, $2::text) as sql`

/** Whether {@link ensureEntrance} was run by a release with this fingerprint. */
export async function isUpToDate(admin: Admin, lifecycle: RowLifecycle, release: string): Promise<boolean> {
  const { naming, row } = lifecycle
  const found = await admin.run(UP_TO_DATE, [
    row.schema,
    naming.marker,
    `${markOf(lifecycle)}${releaseOf(release)}`,
  ])
  return found.length === 1
}

/**
 * The shared schema and in it the function that every scope asks whether it may enter. Its name holds the prefix, so
 * that it is also the mark of whose tenants' rows are there.
 *
 * @throws TenancyError CONFLICT when the shared schema belongs to another tenancy
 */
export async function ensureEntrance(
  admin: Admin,
  lifecycle: RowLifecycle,
  application: string,
  release: string,
): Promise<void> {
  const { naming, registry, row } = lifecycle
  const schema = quoteIdentifier(row.schema)
  const entered = qualify(row.schema, naming.marker)
  if ((await admin.run(OTHERS, [row.schema, markOf(lifecycle)])).length > 0) {
    throw new TenancyError(
      'CONFLICT',
      'The shared schema belongs to another tenancy: tenants of one key would meet in it. Choose another row.schema.',
      { details: { schema: row.schema } },
    )
  }
  const [there] = await admin.run('select to_regnamespace($1) is not null as there', [row.schema])
  if (!there?.there) await admin.run(`create schema ${schema}`)
  const tenants = qualify(registry.controlSchema, 'tenant')
  const values = [ENTERED, registry.prefix, entered, tenants]
  const [made] = await admin.run('select format($1, $2::text, $3::text, $4::text) as sql', values)
  const mark = `${markOf(lifecycle)}${releaseOf(release)}`
  const [comment] = await admin.run(COMMENT, [entered, mark])
  await admin.run(`${made?.sql}; ${comment?.sql};
    revoke all on function ${entered}(text, text) from public;
    grant execute on function ${entered}(text, text) to ${quoteIdentifier(application)}`)
}

// $1 schema, $2 name, $3 the statement that makes it, $4 application. Whether it is there as it was made, and only for us.
const INTACT = `select p.prosecdef and position(p.prosrc in $3) > 0 and p.proconfig = array['random_page_cost=0']
    and pg_get_function_identity_arguments(p.oid) = 'tenant text, path text'
    and not pg_has_role($4, p.proowner, 'member')
    and not exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
      where a.grantee not in (p.proowner, (select oid from pg_roles where rolname = $4))) as intact
  from pg_proc p where p.pronamespace = to_regnamespace(quote_ident($1)) and p.proname = $2`

/** Whether the function that every scope asks is the one that was made, for `doctor`. */
export async function checkEntrance(
  admin: Pick<Admin, 'run'>,
  { naming, registry, row }: Pick<RowLifecycle, 'naming' | 'registry' | 'row'>,
  application: string,
): Promise<RowFinding[]> {
  const entered = qualify(row.schema, naming.marker)
  const values = [ENTERED, registry.prefix, entered, qualify(registry.controlSchema, 'tenant')]
  const [made] = await admin.run('select format($1, $2::text, $3::text, $4::text) as sql', values)
  const functions = await admin.run(INTACT, [row.schema, naming.marker, made?.sql, application])
  if (functions.length === 1 && functions[0]?.intact === true) return []
  return [
    { code: 'entrance_altered', object: `${row.schema}.${naming.marker}`, ...FINDINGS.entrance_altered },
  ]
}

/** The function itself belongs to the release as well. */
function releaseOf(fingerprint: string): string {
  return createHash('sha256').update(ENTERED).update(fingerprint).digest('hex').slice(0, 32)
}
