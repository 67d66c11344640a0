import type { Admin } from '../../../admin/transaction.ts'
import type { RowPlace } from '../../../isolation/row.ts'
import { qualify, quoteIdentifier } from '../../../sql/identifier.ts'
import { CALLABLE, CONSTRAINTS, DERIVED, PRIVILEGES, VIEW_ROLES } from './check-sql.ts'
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
  for (const table of await readRowTables(admin, row, application)) {
    const codes = row.referenceTables.includes(table.name) ? [] : findingsOf(table, row, views)
    for (const code of codes) add(code, table.name, remedyOf(code, table, row))
  }
  const [schema, column, reference] = [row.schema, row.tenantColumn, row.referenceTables]
  for (const [sql, values] of [
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

/** What mends it, as SQL, where that is one statement of the administrator's. */
function remedyOf(code: RowFindingCode, { name }: RowTable, row: RowPlace): string | undefined {
  const [table, column] = [qualify(row.schema, name), quoteIdentifier(row.tenantColumn)]
  if (code === 'index_missing') return `CREATE INDEX CONCURRENTLY ON ${table} (${column});`
  if (code === 'column_nullable') return `ALTER TABLE ${table} ALTER COLUMN ${column} SET NOT NULL;`
  return undefined
}

function findingsOf(table: RowTable, row: RowPlace, views: ViewPlace | undefined): RowFindingCode[] {
  const { column } = table
  if (table.kind === 'f') return ['foreign_table']
  if (!column) return ['unscoped_table']
  const wrong: Partial<Record<RowFindingCode, boolean>> = {
    foreign_owner: !table.alterable,
    column_type: !hasKeyColumn(table, views),
    column_nullable: !column.notNull,
    default_missing: !hasExactDefault(table),
    not_enabled: !table.enabled,
    not_forced: !table.forced,
    policy_missing: !table.policies.some(({ name }) => name === POLICY),
    policy_altered: table.policies.some(({ name }) => name === POLICY) && !hasExactPolicy(table, row),
    // Permissive policies add to each other; restrictive ones only take away.
    policy_added: table.policies.some(
      ({ name, permissive }) => permissive && name !== POLICY && !(views && name in VIEW_POLICIES),
    ),
    views_policy: views !== undefined && !hasExactViewPolicies(table, row, views),
    index_missing: !table.indexed,
    too_many_privileges: table.tooMuch.length > 0,
  }
  return (Object.keys(wrong) as RowFindingCode[]).filter((code) => wrong[code])
}

function rank({ severity, object, code }: RowFinding): string {
  return `${severity} ${object} ${code}`
}
