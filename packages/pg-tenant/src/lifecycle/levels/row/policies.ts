import { TenancyError } from '@org/core'
import type { Admin } from '../../../admin/transaction.ts'
import type { RowPlace } from '../../../isolation/row.ts'
import { qualify, quoteIdentifier } from '../../../sql/identifier.ts'
import { OWN_PATH } from '../../../sql/own-path.ts'
import { checkRowPolicies } from './check.ts'
import {
  currentTenantAs,
  defaultTenantAs,
  hasExactDefault,
  hasExactPolicy,
  hasExactViewPolicies,
  hasKeyColumn,
  POLICY,
  type RowTable,
  readRowTables,
} from './tables.ts'
import { VIEW_POLICIES, type ViewPlace } from './view-place.ts'
import { ensureViews } from './views.ts'

/**
 * Puts every table of the shared schema under its tenant: forced row-level security, one policy for all commands, the
 * default of the tenant column, and the privileges of the application. Touches only what is not so already, so that it
 * takes no lock when there is nothing to do. The caller holds {@link lockSharedSchema}.
 *
 * @throws TenancyError INVALID_OPTION when a finding of {@link checkRowPolicies} remains through which tenants could
 *   meet; `details` name the first. The caller's transaction is then to be rolled back.
 */
export async function ensureRowPolicies(
  admin: Admin,
  row: RowPlace,
  application: string,
  views?: ViewPlace,
): Promise<void> {
  const schema = quoteIdentifier(row.schema)
  const member = quoteIdentifier(application)
  await admin.run(`revoke all on schema ${schema} from public; revoke all on schema ${schema} from ${member};
    grant usage on schema ${schema} to ${member};
    revoke all on all sequences in schema ${schema} from ${member};
    grant usage on all sequences in schema ${schema} to ${member}`)
  for (const table of await readRowTables(admin, row, application)) {
    const statements = row.referenceTables.includes(table.name)
      ? [...openReference(table, row, member), ...grantTo(table, row, views)]
      : table.alterable && hasKeyColumn(table, views) && table.column?.computed === '' && table.kind !== 'f'
        ? [...scope(table, row, member), ...showTo(table, row, views)]
        : []
    if (statements.length > 0) {
      // Of the functions and operators in what follows, none may come from elsewhere.
      await admin.run(
        `set local search_path to pg_catalog; ${statements.join('; ')}; set local search_path to ${OWN_PATH}`,
      )
    }
  }
  if (views) await ensureViews(admin, row, views)
  const errors = (await checkRowPolicies(admin, row, application, views)).filter(
    ({ severity }) => severity === 'error',
  )
  const [worst, ...more] = errors
  if (!worst) return
  const { code, object, message, fix } = worst
  const rest =
    more.length > 0
      ? ` And ${more.length} more: doctor() lists all of them, with the SQL that mends them.`
      : ''
  throw new TenancyError(
    'INVALID_OPTION',
    `Level row does not keep tenants apart here. ${object}: ${message} ${fix}${rest}`,
    {
      details: {
        finding: code,
        object,
        schema: row.schema,
        findings: errors
          .slice(0, TOLD)
          .map((one) => `${one.code} ${one.object}`)
          .join(', '),
        count: errors.length,
      },
    },
  )
}

/** Findings named in an error; the rest is counted. */
const TOLD = 20

function scope(table: RowTable, row: RowPlace, member: string): string[] {
  const name = qualify(row.schema, table.name)
  const column = quoteIdentifier(row.tenantColumn)
  const statements: string[] = []
  if (!table.enabled) statements.push(`alter table ${name} enable row level security`)
  if (!table.forced) statements.push(`alter table ${name} force row level security`)
  if (!hasExactPolicy(table, row)) {
    const mine = `${column} = (select ${currentTenantAs(table)})`
    statements.push(
      `drop policy if exists ${POLICY} on ${name}`,
      `create policy ${POLICY} on ${name} as permissive for all to public using (${mine}) with check (${mine})`,
    )
  }
  if (!hasExactDefault(table)) {
    statements.push(`alter table ${name} alter column ${column} set default ${defaultTenantAs(table)}`)
  }
  if (table.column?.notNull === false)
    statements.push(`alter table ${name} alter column ${column} set not null`)
  if (table.tooMuch.length > 0) statements.push(`revoke all on table ${name} from public, ${member}`)
  if (table.tooMuch.length > 0 || !table.usable) {
    statements.push(`grant select, insert, update, delete on table ${name} to ${member}`)
  }
  return statements
}

/** What lets the owner of the views, and through them each tenant's own role, read the tenant's rows. */
function showTo(table: RowTable, row: RowPlace, views: ViewPlace | undefined): string[] {
  const name = qualify(row.schema, table.name)
  if (hasExactViewPolicies(table, row, views)) return grantTo(table, row, views)
  const old = table.policies.filter((policy) => policy.name in VIEW_POLICIES)
  const statements = old.map((policy) => `drop policy ${policy.name} on ${name}`)
  if (!views) return statements
  const mine = `${quoteIdentifier(row.tenantColumn)} = (select ${views.reader})`
  for (const [policy, kind] of Object.entries(VIEW_POLICIES)) {
    const owner = quoteIdentifier(views.owner)
    statements.push(`create policy ${policy} on ${name} as ${kind} for select to ${owner} using (${mine})`)
  }
  return [...statements, ...grantTo(table, row, views)]
}

function grantTo(table: RowTable, row: RowPlace, views: ViewPlace | undefined): string[] {
  if (!views || table.readers.includes(views.owner)) return []
  return [`grant select on table ${qualify(row.schema, table.name)} to ${quoteIdentifier(views.owner)}`]
}

function openReference(table: RowTable, row: RowPlace, member: string): string[] {
  const name = qualify(row.schema, table.name)
  return [`revoke all on table ${name} from public, ${member}`, `grant select on table ${name} to ${member}`]
}
