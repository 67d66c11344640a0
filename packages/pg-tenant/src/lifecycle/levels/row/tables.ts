import type { Admin } from '../../../admin/transaction.ts'
import { type RowPlace, TENANT_SETTING } from '../../../isolation/row.ts'
import { asWritten, VIEW_POLICIES, type ViewPlace } from './view-place.ts'

/** A table of the shared schema, as its catalogue has it. */
export interface RowTable {
  readonly name: string
  /** `r` table, `p` partitioned table, `f` foreign table. */
  readonly kind: 'r' | 'p' | 'f'
  readonly enabled: boolean
  readonly forced: boolean
  /** Its tenant column, if it has one. */
  readonly column: {
    readonly type: string
    readonly notNull: boolean
    readonly fallback: string
    /** `s` or `v`: generated; `a` or `d`: an identity; else empty. */
    readonly computed: string
  } | null
  readonly policies: readonly RowPolicy[]
  /** Whether a valid, complete index begins with the tenant column. */
  readonly indexed: boolean
  /** What the application may do to it that it should not. */
  readonly tooMuch: readonly string[]
  /** Whether the administrator may alter it. */
  readonly alterable: boolean
  /** Names of roles that were granted SELECT. */
  readonly readers: readonly string[]
  /** Whether the application may select, insert, update and delete. */
  readonly usable: boolean
}

interface RowPolicy {
  readonly name: string
  readonly permissive: boolean
  /** For all commands and all roles. */
  readonly general: boolean
  /** `r` for SELECT, as in pg_policy. */
  readonly command: string
  /** Names; empty for a policy that is for PUBLIC. */
  readonly roles: readonly string[]
  readonly using: string
  readonly check: string
}

// $1 schema, $2 tenant column, $3 the application's role. Expressions are read back under a search path of pg_catalog
// alone: whatever is not from there comes with its schema and is seen not to be ours.
const TABLES = `select c.relname as name, c.relkind as kind, c.relrowsecurity as enabled, c.relforcerowsecurity as forced,
    case when a.attnum is not null then json_build_object('type', t.typname, 'notNull', a.attnotnull, 'computed', concat(a.attgenerated, a.attidentity),
      'fallback', coalesce((select pg_get_expr(d.adbin, d.adrelid) from pg_attrdef d
                            where d.adrelid = c.oid and d.adnum = a.attnum), '')) end as column,
    (select coalesce(json_agg(json_build_object('name', p.polname, 'permissive', p.polpermissive,
        'general', p.polcmd = '*' and p.polroles = '{0}', 'command', p.polcmd,
        'roles', array(select r.rolname::text from pg_roles r where r.oid = any (p.polroles) order by 1),
        'using', coalesce(pg_get_expr(p.polqual, c.oid), ''),
        'check', coalesce(pg_get_expr(p.polwithcheck, c.oid), '')) order by p.polname), '[]')
      from pg_policy p where p.polrelid = c.oid) as policies,
    exists (select from pg_index i where i.indrelid = c.oid and i.indkey[0] = a.attnum
      and i.indisvalid and i.indpred is null) as indexed,
    array(select privilege from unnest('{truncate,references,trigger}'::text[]) privilege
      where has_table_privilege($3, c.oid, privilege)
        or (privilege = 'references' and has_any_column_privilege($3, c.oid, privilege))) as "tooMuch",
    pg_has_role(c.relowner, 'usage') as alterable,
    array(select g.rolname::text from aclexplode(c.relacl) e join pg_roles g on g.oid = e.grantee
      where e.privilege_type = 'SELECT') as readers,
    has_table_privilege($3, c.oid, 'select') and has_table_privilege($3, c.oid, 'insert')
      and has_table_privilege($3, c.oid, 'update') and has_table_privilege($3, c.oid, 'delete') as usable
  from pg_class c
  left join pg_attribute a on a.attrelid = c.oid and a.attname = $2 and not a.attisdropped
  left join pg_type t on t.oid = a.atttypid
  where c.relnamespace = to_regnamespace($1) and c.relkind in ('r', 'p', 'f')
  order by c.relname`

export async function readRowTables(
  admin: Pick<Admin, 'run'>,
  row: RowPlace,
  application: string,
): Promise<RowTable[]> {
  return await inCatalogue(admin, () => admin.run(TABLES, [row.schema, row.tenantColumn, application]))
}

/** Runs `fn` with nothing but the catalogue in the path, and names quoted only where they must be; goes back to what there was. */
export async function inCatalogue<T>(admin: Pick<Admin, 'run'>, fn: () => Promise<T>): Promise<T> {
  const [before] = await admin.run(
    `select current_setting('search_path') as path, current_setting('quote_all_identifiers') as quotes,
       set_config('search_path', 'pg_catalog, pg_temp', true), set_config('quote_all_identifiers', 'off', true)`,
  )
  const result = await fn()
  await admin.run(
    `select set_config('search_path', $1, true), set_config('quote_all_identifiers', $2, true)`,
    [before?.path, before?.quotes],
  )
  return result
}

/** Of what types a tenant column may be, by their names in pg_type, and what a key is cast to for it. Text is compared as it is. */
const TYPES: ReadonlyMap<string, string | undefined> = new Map([
  ['text', undefined],
  ['varchar', undefined],
  ['uuid', 'uuid'],
  ['int8', 'bigint'],
  ['int4', 'integer'],
])

/** Whether its rows can be told apart by their tenant column. Views for tenants' own roles compare text. */
export function hasKeyColumn({ column }: RowTable, views?: ViewPlace): boolean {
  return column !== null && TYPES.has(column.type) && !(views && castOf(column.type))
}

function castOf(type: string | undefined): string | undefined {
  return type === undefined ? undefined : TYPES.get(type)
}

/** The name of the one policy that each table of tenants has. */
export const POLICY = 'tenant_isolation'

/**
 * The tenant of this transaction. An empty setting counts as none: that is what a session is left with after a
 * transaction that had set it. NULL matches no row and passes no check.
 */
export const CURRENT_TENANT = `nullif(current_setting('${TENANT_SETTING}', true), '')`

/**
 * The same for a column of a type of its own. The setting is cast, never the column, so that its index serves. Two keys must not be
 * one value (`7` and `007`, a UUID with dashes and without): only what the value itself is written as is the tenant.
 */
export function currentTenantAs({ column }: Pick<RowTable, 'column'>): string {
  const cast = castOf(column?.type)
  if (cast === undefined) return CURRENT_TENANT
  return `case when (${CURRENT_TENANT})::${cast}::text = ${CURRENT_TENANT} then (${CURRENT_TENANT})::${cast} end`
}

/** What a new row gets; the policy checks it. */
export function defaultTenantAs({ column }: Pick<RowTable, 'column'>): string {
  const cast = castOf(column?.type)
  return cast === undefined ? CURRENT_TENANT : `(${CURRENT_TENANT})::${cast}`
}

// As the server writes them, without what differs by type of column and version.
const DEFAULT = `nullifcurrent_setting'${TENANT_SETTING}',true,''`

function policyExpression({ column }: Pick<RowTable, 'column'>): string {
  const cast = castOf(column?.type)
  if (cast === undefined) return `=select${DEFAULT}asnullif`
  return `=selectcasewhen${DEFAULT}::${cast}=${DEFAULT}then${DEFAULT}::${cast}elsenull::${cast}endascase`
}

export function hasExactPolicy(table: RowTable, { tenantColumn }: RowPlace): boolean {
  const { policies } = table
  const policy = policies.find(({ name }) => name === POLICY)
  const expected = plain(tenantColumn) + policyExpression(table)
  return (
    policy?.general === true &&
    policy.permissive &&
    plain(policy.using) === expected &&
    plain(policy.check) === expected
  )
}

/** Whether the policies for tenants' own views are those that are made, or, where there are no views, none. */
export function hasExactViewPolicies(
  { policies }: RowTable,
  { tenantColumn }: RowPlace,
  views?: ViewPlace,
): boolean {
  const found = policies.filter(({ name }) => name in VIEW_POLICIES)
  if (!views) return found.length === 0
  const expected = `${plain(tenantColumn)}=select${plain(asWritten(views.reader))}`
  return Object.entries(VIEW_POLICIES).every(([name, kind]) =>
    found.some(
      (policy) =>
        policy.name === name &&
        policy.permissive === (kind === 'permissive') &&
        policy.command === 'r' &&
        policy.roles.join() === views.owner &&
        plain(policy.using) === expected &&
        policy.check === '',
    ),
  )
}

export function hasExactDefault({ column }: RowTable): boolean {
  if (column === null) return false
  const cast = castOf(column.type)
  return plain(column.fallback) === (cast === undefined ? DEFAULT : `${DEFAULT}::${cast}`)
}

/** Without blanks, parentheses, quotes and the casts among strings; anything added to an expression remains. */
export function plain(expression: string): string {
  return expression.replaceAll(/[\s()"]|::(text|character varying)/g, '').toLowerCase()
}
