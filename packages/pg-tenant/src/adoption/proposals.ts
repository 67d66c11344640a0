import { readOnly } from '../doctor/read-only.ts'
import type { PoolLike } from '../driver/types.ts'
import { findSchemas } from './candidates.ts'

/** Tenants that seem to be in a database already. */
export type TenantProposal =
  | {
      readonly kind: 'schemas'
      /** What their names have in common, `*` for the rest. */
      readonly pattern: string
      readonly schemas: readonly string[]
      /** Tables that each of them has. */
      readonly tables: number
    }
  | {
      readonly kind: 'rows'
      readonly schema: string
      readonly column: string
      readonly type: string
      /** Tables with that column. */
      readonly tables: readonly string[]
      /** Tables of the schema without it. */
      readonly others: readonly string[]
    }
  | {
      readonly kind: 'logins'
      /** What the names of the roles have in common, `*` for the rest: each owns one schema. */
      readonly roles: string
      /** The same of their schemas. */
      readonly schemas: string
      readonly count: number
    }
  | {
      readonly kind: 'databases'
      /** What their names have in common, `*` for the rest; each belongs to a login of its own. */
      readonly pattern: string
      readonly databases: readonly string[]
      /** The same of those logins. */
      readonly roles: string
    }

// $1 names of columns. Partitions are their table's. Only what level `row` then takes.
const SHARED = `select n.nspname as schema, a.attname as "column", format_type(a.atttypid, null) as type,
  array_agg(c.relname::text order by c.relname) as tables,
  array(select o.relname::text from pg_class o where o.relnamespace = n.oid and o.relkind in ('r', 'p') and not o.relispartition
    and not exists (select from pg_attribute w where w.attrelid = o.oid and w.attname = a.attname and not w.attisdropped) order by 1) as others
from pg_namespace n join pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'p') and not c.relispartition
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attname = any ($1::text[])
where n.nspname ~ '^[a-z_][a-z0-9_]*$' and a.atttypid in ('text'::regtype, 'varchar'::regtype, 'uuid'::regtype, 'bigint'::regtype, 'integer'::regtype)
  and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
  and not exists (select from pg_class m where m.relnamespace = n.oid and starts_with(m.relname, '_tenant_'))
group by n.oid, n.nspname, a.attname, a.atttypid order by count(*) desc, n.nspname, a.attname`

/** What such a column is called, by custom. */
const COLUMNS = [
  'tenant_id',
  'organization_id',
  'organisation_id',
  'org_id',
  'account_id',
  'workspace_id',
  'company_id',
  'client_id',
]

/**
 * Looks whether a database has tenants already: schemas that are alike, or tables with a column that names a tenant. It changes
 * nothing.
 *
 * @returns the likeliest first
 * @throws TenancyError CONNECTION_LOST, DATABASE_ERROR
 * @example
 * ```ts
 * import { proposeTenants } from '@org/pg-tenant/admin'
 *
 * for (const proposal of await proposeTenants(adminPool)) console.log(proposal.kind)
 * ```
 */
export async function proposeTenants(adminPool: PoolLike): Promise<readonly TenantProposal[]> {
  const alike = groupsOf(await findSchemas(adminPool))
  const rows = await readOnly(adminPool, (look) =>
    look<Omit<TenantProposal & { kind: 'rows' }, 'kind'>>(SHARED, [COLUMNS]),
  )
  const taken = new Set(alike.flatMap(({ schemas }) => schemas))
  const shared = rows.filter(
    ({ schema, column, tables }) => !taken.has(schema) && (column === 'tenant_id' || tables.length > 2),
  )
  const logins = await readOnly(adminPool, (look) => look<Owned>(LOGINS))
  const databases = await readOnly(adminPool, (look) => look<Owned>(DATABASES))
  return [
    ...loginsOf(logins),
    ...alike,
    ...shared.map((one) => ({ kind: 'rows' as const, ...one })),
    ...databasesOf(databases),
  ]
}

/** Something that belongs to a login of its own. */
interface Owned {
  readonly name: string
  readonly role: string
}

// Logins that own one schema each and may no more than a tenant; only what whoever asks may take over.
const LOGINS = `select min(n.nspname) as name, r.rolname as role from pg_namespace n join pg_roles r on r.oid = n.nspowner
where r.rolcanlogin and not r.rolsuper and not r.rolcreaterole and r.rolname <> current_user and pg_has_role(current_user, r.oid, 'usage') and n.nspname !~ '^pg_'
  and not exists (select from pg_class m where m.relnamespace = n.oid and starts_with(m.relname, '_tenant_'))
  and exists (select from pg_class c where c.relnamespace = n.oid and c.relkind in ('r', 'p'))
group by r.rolname having count(*) = 1 order by r.rolname`

const DATABASES = `select min(d.datname) as name, r.rolname as role from pg_database d join pg_roles r on r.oid = d.datdba
where r.rolcanlogin and not r.rolsuper and not r.rolcreaterole and r.rolname <> current_user and pg_has_role(current_user, r.oid, 'usage') and d.datallowconn and not d.datistemplate
  and d.datname <> current_database()
group by r.rolname having count(*) = 1 order by r.rolname`

const loginsOf = (found: readonly Owned[]): TenantProposal[] =>
  alikeOf(found).map(({ names, roles, members }) => ({
    kind: 'logins',
    roles,
    schemas: names,
    count: members.length,
  }))

const databasesOf = (found: readonly Owned[]): TenantProposal[] =>
  alikeOf(found).map(({ names, roles, members }) => ({
    kind: 'databases',
    pattern: names,
    databases: members.map(({ name }) => name),
    roles,
  }))

/** Those whose names and roles begin alike and then say the same, so that one pattern each says all of them. */
function alikeOf(found: readonly Owned[]) {
  const groups = new Map<string, Owned[]>()
  for (const one of found) {
    const rest = commonEnd(one.name, one.role)
    if (rest.length === 0) continue
    const group = `${one.name.slice(0, -rest.length)}*\0${one.role.slice(0, -rest.length)}*`
    groups.set(group, [...(groups.get(group) ?? []), one])
  }
  return [...groups]
    .filter(([, members]) => members.length > 1)
    .map(([group, members]) => {
      const [names = '', roles = ''] = group.split('\0')
      return { names, roles, members }
    })
}

/** The end that both have, from behind a separator on. */
function commonEnd(name: string, role: string): string {
  let length = 0
  while (length < Math.min(name.length, role.length) && name.at(-1 - length) === role.at(-1 - length))
    length++
  const end = length === 0 ? '' : name.slice(-length)
  return end === name || end === role ? end : (/^[^_-]*[_-](.+)$/.exec(end)?.[1] ?? '')
}

/** Schemas with as many tables each, whose names begin or end alike. */
function groupsOf(found: Awaited<ReturnType<typeof findSchemas>>): (TenantProposal & { kind: 'schemas' })[] {
  const groups = new Map<string, string[]>()
  for (const { schema, tables, tenant } of found) {
    if (tenant || tables === 0 || schema === 'public') continue
    const group = `${tables} ${/^[^0-9_-]{0,60}[_-]?/.exec(schema)?.[0]}`
    groups.set(group, [...(groups.get(group) ?? []), schema])
  }
  return [...groups]
    .filter(([, schemas]) => schemas.length > 1)
    .map(([group, schemas]) => ({
      kind: 'schemas' as const,
      pattern: `${commonStart(schemas)}*`,
      schemas,
      tables: Number(group.split(' ')[0]),
    }))
    .filter(({ pattern }) => pattern !== '*')
    .sort((a, b) => b.schemas.length - a.schemas.length)
}

function commonStart([first = '', ...others]: readonly string[]): string {
  let length = first.length
  for (const other of others) while (!other.startsWith(first.slice(0, length))) length--
  return first.slice(0, length)
}
