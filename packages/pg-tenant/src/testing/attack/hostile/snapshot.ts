import type { Lab } from '../types.ts'
import type { Targets } from './probe.ts'

// $1 the hostile tenant's role, $2 roles of others, $3 schemas of others.
const SERVER = `select pg_catalog.format('role %s: %s', r.rolname, pg_catalog.array_to_json(array[r.rolsuper, r.rolcreaterole, r.rolcreatedb,
    r.rolbypassrls, r.rolreplication])) as line from pg_catalog.pg_roles r where r.rolname = any (pg_catalog.array_append($2::text[], $1::text))
  union all
  select pg_catalog.format('membership of %s in %s', m.member::pg_catalog.regrole, m.roleid::pg_catalog.regrole)
  from pg_catalog.pg_auth_members m
  where m.member = (select oid from pg_catalog.pg_roles where rolname = $1::text and rolname <> all ($2::text[]))
  union all
  select pg_catalog.format('settings of %s: %s', s.setrole::pg_catalog.regrole, s.setconfig)
  from pg_catalog.pg_db_role_setting s where s.setrole in (select oid from pg_catalog.pg_roles where rolname = any ($2::text[]))`

const SCHEMAS = `select pg_catalog.format('schema %s: %s %s', nspname, nspowner::pg_catalog.regrole, nspacl) as line
  from pg_catalog.pg_namespace where nspname = any ($1::text[])
  union all
  select pg_catalog.format('%s of %s: %s %s', c.relname, c.relnamespace::pg_catalog.regnamespace, c.relowner::pg_catalog.regrole, c.relacl)
  from pg_catalog.pg_class c where c.relnamespace in (select oid from pg_catalog.pg_namespace where nspname = any ($1::text[]))
  union all
  select pg_catalog.format('%s of %s', p.oid::pg_catalog.regprocedure, p.proowner::pg_catalog.regrole)
  from pg_catalog.pg_proc p where p.pronamespace in (select oid from pg_catalog.pg_namespace where nspname = any ($1::text[]))`

/** Everything of others that planted code could have changed, a line each. */
export async function snapshot(lab: Lab, targets: Targets, good: string): Promise<readonly string[]> {
  const { role, administrator, application, victimRole, victimSchema, sharedSchema, controlSchema } = targets
  const others = [administrator, application, ...(victimRole === undefined ? [] : [victimRole])]
  const server = await lab.admin(SERVER, [role, others])
  const central = await lab.admin(SCHEMAS, [[sharedSchema, controlSchema]])
  const home = await lab.adminAt(good, SCHEMAS, [[victimSchema]])
  const rows = (await lab.bodies(good)).map((body) => `row ${body}`)
  return [...[...server, ...central, ...home].map(({ line }) => String(line)), ...rows].sort()
}

/** What is different, as `+ line` and `- line`; what the hostile tenant itself has lost is nobody's loss. */
export function changed(
  before: readonly string[],
  after: readonly string[],
  { role }: Targets,
): readonly string[] {
  const [was, is] = [new Set(before), new Set(after)]
  const itsOwn = (line: string) =>
    line.startsWith(`role ${role}:`) || line.startsWith(`membership of ${role} `)
  return [
    ...after.filter((line) => !was.has(line)).map((line) => `+ ${line}`),
    ...before.filter((line) => !is.has(line) && !itsOwn(line)).map((line) => `- ${line}`),
  ]
}
