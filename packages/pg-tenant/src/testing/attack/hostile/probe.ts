import pg from 'pg'
import { qualify, quoteIdentifier } from '../../../sql/identifier.ts'

/** Whose code it is, and whom it is after. */
export interface Targets {
  readonly schema: string
  /** The role the hostile tenant's scopes run as. */
  readonly role: string
  readonly administrator: string
  readonly application: string
  readonly victimSchema: string
  /** Where tenants have roles. */
  readonly victimRole: string | undefined
  readonly sharedSchema: string
  readonly controlSchema: string
}

/** What planted code may turn out to have: rights that are somebody else's. */
export const RIGHTS = [
  'superuser',
  'administrator',
  'application',
  'victim role',
  'victim rows',
  'grants',
  'roles',
  'victim schema',
  'creates outside',
  'registry',
  'credentials',
] as const
export type Right = (typeof RIGHTS)[number]

/** Before the report of a probe; said by INFO, which reaches the client whatever its settings, and stays when all is undone. */
export const SAID = 'pg_tenant_hostile '

const literal = (text: string) => pg.escapeLiteral(text)

/** What is tried with each role that can be had; each is undone. */
function attempts(targets: Targets): readonly (readonly [Right, string])[] {
  const { role, victimRole, victimSchema, sharedSchema, controlSchema } = targets
  const tenant = qualify(controlSchema, 'tenant')
  const credential = qualify(controlSchema, 'tenant_credential')
  const mine = quoteIdentifier(role)
  return [
    ['victim rows', `select 1 from ${qualify(victimSchema, 'notes')} limit 1`],
    ...(victimRole === undefined
      ? []
      : [['grants', `grant ${quoteIdentifier(victimRole)} to ${mine}`] as const]),
    ['roles', `alter role ${mine} createdb`],
    ['creates outside', `create table ${qualify(sharedSchema, 'hostile')} ()`],
    ['victim schema', `create table ${qualify(victimSchema, 'hostile')} ()`],
    ['registry', `update ${tenant} set plan = plan where false`],
    ['credentials', `select sealed from ${credential} limit 0`],
  ]
}

const attempt = ([right, sql]: readonly [Right, string]) => `
      begin
        execute ${literal(sql)};
        had := had operator(pg_catalog.||) ${literal(right)}::pg_catalog.text;
      exception when others then null;
      end;`

const member = (role: string | undefined, right: Right) =>
  role === undefined
    ? ''
    : `
      if pg_catalog.pg_has_role(current_user, ${literal(role)}, 'member') then
        had := had operator(pg_catalog.||) ${literal(right)}::pg_catalog.text;
      end if;`

/**
 * The function that all planted code calls: says as whom it runs and what it can have there, by itself or by any change of
 * role or session, and undoes all of it. Once for each kind and role in a transaction.
 */
export function probeSql(targets: Targets): string {
  const { administrator, application, victimRole } = targets
  const become = [
    `''`,
    ...['none', administrator, application, victimRole].flatMap((role) =>
      role === undefined ? [] : [`${literal(`role=${role}`)}`],
    ),
    ...[administrator, application].map((role) => literal(`session_authorization=${role}`)),
  ]
  const owned = [
    member(administrator, 'administrator'),
    member(application, 'application'),
    member(victimRole, 'victim role'),
  ]
  return `create or replace function $S.h_probe(kind text) returns boolean language plpgsql as $probe$
declare
  had text[] := '{}';
  who text := current_user;
  way text;
  mark text := pg_catalog.concat('<', kind, '@', who, '>');
  seen text := coalesce(pg_catalog.current_setting('pg_tenant_hostile.seen', true), '');
begin
  if pg_catalog.strpos(seen, mark) operator(pg_catalog.>) 0 then return true; end if;
  perform pg_catalog.set_config('pg_tenant_hostile.seen', pg_catalog.concat(seen, mark), true);
  foreach way in array array[${become.join(', ')}] loop
    begin
      perform pg_catalog.set_config('lock_timeout', '500', true);
      if way operator(pg_catalog.<>) '' then
        perform pg_catalog.set_config(pg_catalog.split_part(way, '=', 1), pg_catalog.split_part(way, '=', 2), true);
      end if;
      if pg_catalog.current_setting('is_superuser') operator(pg_catalog.=) 'on' then
        had := had operator(pg_catalog.||) 'superuser'::pg_catalog.text;
      end if;${owned.join('')}${attempts(targets).map(attempt).join('')}
      raise exception using errcode = 'HK000';
    exception when others then null;
    end;
  end loop;
  raise info '${SAID}%', pg_catalog.json_build_object('kind', kind, 'session', session_user, 'user', who,
    'had', array(select distinct pg_catalog.unnest(had)));
  perform $S.h_leave();
  return true;
end $probe$`
}
