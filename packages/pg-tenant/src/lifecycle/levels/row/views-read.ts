import type { Admin } from '../../../admin/transaction.ts'
import type { RowPlace } from '../../../isolation/row.ts'
import { quoteIdentifier } from '../../../sql/identifier.ts'
import { inCatalogue, plain } from './tables.ts'
import { asWritten, type ViewPlace } from './view-place.ts'

/** What is in the schema of views under a name, and what should be. */
export interface RowView {
  readonly name: string
  /** The columns of the shared table; `null` when there is none, and so should be no view. */
  readonly wanted: readonly string[] | null
  /** As in pg_class; `null` when there is nothing. */
  readonly kind: string | null
  /** Whether it belongs to the views' owner. */
  readonly owned: boolean
  readonly columns: readonly string[] | null
  readonly definition: string | null
  readonly options: readonly string[] | null
  /** Privileges of others than its owner, `role=privilege`. */
  readonly grants: readonly string[]
}

// $1 shared schema, $2 tenant column, $3 reference tables, $4 schema of views, $5 owner.
const VIEWS = `with wanted as (
  select c.relname as name, array(select a.attname::text from pg_attribute a
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum) as wanted
  from pg_class c where c.relnamespace = to_regnamespace(quote_ident($1)) and c.relkind in ('r', 'p') and not c.relispartition
    and (c.relname = any ($3::text[]) or exists (
      select from pg_attribute a where a.attrelid = c.oid and a.attname = $2 and not a.attisdropped))
), there as (
  select c.relname as name, c.relkind::text as kind, c.relowner = (select oid from pg_roles where rolname = $5) as owned,
    array(select a.attname::text from pg_attribute a
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum) as columns,
    case c.relkind when 'v' then pg_get_viewdef(c.oid) end as definition, c.reloptions as options,
    array(select concat(coalesce(g.rolname, 'public'), '=', e.privilege_type)
      from aclexplode(c.relacl) e left join pg_roles g on g.oid = e.grantee where e.grantee <> c.relowner order by 1) as grants
  from pg_class c where c.relnamespace = to_regnamespace(quote_ident($4)) and c.relkind not in ('i', 'I')
)
select name, w.wanted, t.kind, coalesce(t.owned, false) as owned, t.columns, t.definition, t.options,
    coalesce(t.grants, '{}') as grants
  from wanted w full join there t using (name) order by name`

export async function readViews(
  admin: Pick<Admin, 'run'>,
  row: RowPlace,
  { schema, owner }: ViewPlace,
): Promise<RowView[]> {
  const values = [row.schema, row.tenantColumn, row.referenceTables, schema, owner]
  return await inCatalogue(admin, () => admin.run(VIEWS, values))
}

/** `missing`: not there, or without the table's newest columns. `altered`: not what we made. */
export function standingOf(view: RowView, row: RowPlace, views: ViewPlace): 'right' | 'missing' | 'altered' {
  const { name, wanted, kind, owned, columns, definition, options, grants } = view
  if (kind === null) return wanted ? 'missing' : 'right'
  const intact =
    wanted !== null &&
    kind === 'v' &&
    owned &&
    options?.join() === 'security_barrier=true' &&
    grants.join() === `${views.readers}=SELECT` &&
    without(definition ?? '', name) === without(definitionOf(name, columns ?? [], row, views), name)
  if (!intact) return 'altered'
  return columns?.join('\n') === wanted.join('\n') ? 'right' : 'missing'
}

function definitionOf(
  name: string,
  columns: readonly string[],
  row: RowPlace,
  { reader }: ViewPlace,
): string {
  const rows = row.referenceTables.includes(name)
    ? ''
    : `where ${row.tenantColumn}=select ${asWritten(reader)}`
  return `select ${columns.map(quoteIdentifier).join()} from ${row.schema}.${name} ${rows}`
}

/** Before PostgreSQL 16 columns are written with their table. */
function without(definition: string, table: string): string {
  return plain(definition)
    .replaceAll(`${plain(table)}.`, '')
    .replace(/;$/, '')
}
