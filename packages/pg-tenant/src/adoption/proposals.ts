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
  return [...alike, ...shared.map((one) => ({ kind: 'rows' as const, ...one }))]
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
