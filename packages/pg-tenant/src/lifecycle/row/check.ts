import type { RowPlace } from '../../isolation/row-place.ts'
import type { Admin } from '../admin.ts'
import { CALLABLE, CONSTRAINTS, DERIVED, PRIVILEGES } from './check-sql.ts'
import { FINDINGS, type RowFinding, type RowFindingCode } from './findings.ts'
import {
  hasExactDefault,
  hasExactPolicy,
  hasTextColumn,
  POLICY,
  type RowTable,
  readRowTables,
} from './tables.ts'

/**
 * Everything about the shared schema through which rows of one tenant could reach another, for `doctor` and for
 * {@link ensureRowPolicies}. Errors first, then by object.
 */
export async function checkRowPolicies(
  admin: Admin,
  row: RowPlace,
  application: string,
): Promise<RowFinding[]> {
  const found: RowFinding[] = []
  const add = (code: RowFindingCode, object: string) => {
    found.push({ code, object, ...FINDINGS[code] })
  }
  for (const table of await readRowTables(admin, row, application)) {
    const codes = row.referenceTables.includes(table.name) ? [] : findingsOf(table, row)
    for (const code of codes) add(code, table.name)
  }
  const [schema, column, reference] = [row.schema, row.tenantColumn, row.referenceTables]
  for (const [sql, values] of [
    [CONSTRAINTS, [schema, column, reference]],
    [DERIVED, [schema, column, reference, application]],
    [CALLABLE, [application]],
    [PRIVILEGES, [schema, application]],
  ] as const) {
    for (const { code, object } of await admin.run(sql, values)) add(code as RowFindingCode, String(object))
  }
  return found.sort((a, b) => rank(a).localeCompare(rank(b)))
}

function findingsOf(table: RowTable, row: RowPlace): RowFindingCode[] {
  const { column } = table
  if (table.kind === 'f') return ['foreign_table']
  if (!column) return ['unscoped_table']
  const wrong: Partial<Record<RowFindingCode, boolean>> = {
    foreign_owner: !table.alterable,
    column_type: !hasTextColumn(table),
    column_nullable: !column.notNull,
    default_missing: !hasExactDefault(table),
    not_enabled: !table.enabled,
    not_forced: !table.forced,
    policy_missing: !table.policies.some(({ name }) => name === POLICY),
    policy_altered: table.policies.some(({ name }) => name === POLICY) && !hasExactPolicy(table, row),
    // Permissive policies add to each other; restrictive ones only take away.
    policy_added: table.policies.some(({ name, permissive }) => permissive && name !== POLICY),
    index_missing: !table.indexed,
    too_many_privileges: table.tooMuch.length > 0,
  }
  return (Object.keys(wrong) as RowFindingCode[]).filter((code) => wrong[code])
}

function rank({ severity, object, code }: RowFinding): string {
  return `${severity} ${object} ${code}`
}
