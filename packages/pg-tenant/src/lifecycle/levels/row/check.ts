import type { Admin } from '../../../admin/transaction.ts'
import type { RowPlace } from '../../../isolation/row.ts'
import { qualify, quoteIdentifier } from '../../../sql/identifier.ts'
import {
  CALLABLE,
  CONSTRAINTS,
  DERIVED,
  PRIVILEGES,
  SCHEMA_CLOSED,
  UNSCOPED,
  VIEW_ROLES,
} from './check-sql.ts'
import { FINDINGS, type RowFinding, type RowFindingCode } from './findings.ts'
import {
  hasExactDefault,
  hasExactPolicy,
  hasExactViewPolicies,
  hasKeyColumn,
  inCatalogue,
  POLICY,
  type RowTable,
  readRowTables,
} from './tables.ts'
import { VIEW_POLICIES, type ViewPlace } from './view-place.ts'
import { readViews, standingOf } from './views-read.ts'

/**
 * Everything about the shared schema through which rows of one tenant could reach another, for `doctor` and for
 * {@link ensureRowPolicies}. Errors first, then by object.
 */
export function checkRowPolicies(
  admin: Pick<Admin, 'run'>,
  row: RowPlace,
  application: string,
  views?: ViewPlace,
): Promise<RowFinding[]> {
  return inCatalogue(admin, () => lookAtAll(admin, row, application, views))
}

async function lookAtAll(
  admin: Pick<Admin, 'run'>,
  row: RowPlace,
  application: string,
  views: ViewPlace | undefined,
): Promise<RowFinding[]> {
  const found: RowFinding[] = []
  const add = (code: RowFindingCode, object: string, sql?: unknown) => {
    const meaning = FINDINGS[code]
    found.push({ code, object, ...meaning, ...(typeof sql === 'string' && { fix: sql }) })
  }
  const [schema, column, reference] = [row.schema, row.tenantColumn, row.referenceTables]
  const unscoped = new Map<unknown, unknown>()
  for (const { name, fix } of await admin.run(UNSCOPED, [schema, column, reference])) unscoped.set(name, fix)
  const [me] = await admin.run('select current_user::text as name')
  const roles = { application, admin: String(me?.name) }
  for (const table of await readRowTables(admin, row, application)) {
    const codes = row.referenceTables.includes(table.name) ? [] : findingsOf(table, row, views)
    for (const code of codes)
      add(
        code,
        table.name,
        code === 'unscoped_table' ? unscoped.get(table.name) : remedyOf(code, table, row, roles, views),
      )
  }
  for (const [sql, values] of [
    [SCHEMA_CLOSED, [schema]],
    [CONSTRAINTS, [schema, column, reference]],
    [DERIVED, [schema, column, reference, application]],
    [CALLABLE, [application]],
    [PRIVILEGES, [schema, application]],
  ] as const) {
    for (const { code, object, fix } of await admin.run(sql, values))
      add(code as RowFindingCode, String(object), fix)
  }
  if (views) {
    for (const role of await admin.run(VIEW_ROLES, [views.owner, views.readers, views.rolePrefix]))
      add('views_role', String(role.object))
    for (const view of await readViews(admin, row, views)) {
      const standing = standingOf(view, row, views)
      if (standing !== 'right')
        add(standing === 'missing' ? 'view_missing' : 'view_altered', `${views.schema}.${view.name}`)
    }
  }
  return found.sort((a, b) => rank(a).localeCompare(rank(b)))
}

/** What mends it, as SQL of the administrator's; `undefined` where words say it better. */
function remedyOf(
  code: RowFindingCode,
  { name, kind, policies, tooMuch, column: found }: RowTable,
  row: RowPlace,
  { application, admin }: { readonly application: string; readonly admin: string },
  views: ViewPlace | undefined,
): string | undefined {
  const [table, column] = [qualify(row.schema, name), quoteIdentifier(row.tenantColumn)]
  switch (code) {
    case 'index_missing':
      return `CREATE INDEX ${kind === 'p' ? '' : 'CONCURRENTLY '}ON ${table} (${column});`
    case 'column_type':
      return `ALTER TABLE ${table} ALTER COLUMN ${column} TYPE ${found?.type === 'int2' && !views ? 'integer' : 'text'};`
    case 'column_computed':
      if (found?.computed === 'v') return undefined
      return `ALTER TABLE ${table} ALTER COLUMN ${column} DROP ${found?.computed === 's' ? 'EXPRESSION' : 'IDENTITY'};`
    case 'column_nullable':
      return `ALTER TABLE ${table} ALTER COLUMN ${column} SET NOT NULL; -- rows without a tenant first: UPDATE ${table} SET ${column} = … WHERE ${column} IS NULL`
    case 'foreign_owner':
      return `ALTER TABLE ${table} OWNER TO ${quoteIdentifier(admin)}; -- as its owner, or a superuser`
    case 'too_many_privileges':
      return `REVOKE ${tooMuch.join(', ').toUpperCase()} ON ${table} FROM PUBLIC, ${quoteIdentifier(application)};`
    case 'policy_added':
      return `${policies
        .filter((policy) => isAdded(policy, views))
        .map((policy) => `DROP POLICY ${quoteIdentifier(policy.name)} ON ${table};`)
        .join(' ')} -- or CREATE it AS RESTRICTIVE`
    default:
      return undefined
  }
}

/** Permissive policies add to each other; restrictive ones only take away. */
const isAdded = ({ name, permissive }: RowTable['policies'][number], views: ViewPlace | undefined): boolean =>
  permissive && name !== POLICY && !(views && name in VIEW_POLICIES)

function findingsOf(table: RowTable, row: RowPlace, views: ViewPlace | undefined): RowFindingCode[] {
  const { column } = table
  if (table.kind === 'f') return ['foreign_table']
  if (!column) return ['unscoped_table']
  const wrong: Partial<Record<RowFindingCode, boolean>> = {
    foreign_owner: !table.alterable,
    column_type: !hasKeyColumn(table, views),
    column_computed: column.computed !== '',
    column_nullable: !column.notNull,
    default_missing: !hasExactDefault(table),
    not_enabled: !table.enabled,
    not_forced: !table.forced,
    policy_missing: !table.policies.some(({ name }) => name === POLICY),
    policy_altered: table.policies.some(({ name }) => name === POLICY) && !hasExactPolicy(table, row),
    policy_added: table.policies.some((policy) => isAdded(policy, views)),
    views_policy: views !== undefined && !hasExactViewPolicies(table, row, views),
    index_missing: !table.indexed,
    too_many_privileges: table.tooMuch.length > 0,
  }
  return (Object.keys(wrong) as RowFindingCode[]).filter((code) => wrong[code])
}

function rank({ severity, object, code }: RowFinding): string {
  return `${severity} ${object} ${code}`
}
