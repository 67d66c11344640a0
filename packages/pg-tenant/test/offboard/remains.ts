import type { TenantKey } from '@org/core'
import { inAdminTransaction } from '../../src/admin/transaction.ts'
import { roleOf, schemaOf } from '../../src/isolation/names.ts'
import { findRows } from '../../src/lifecycle/levels/row/delete.ts'
import { actFor } from '../../src/lifecycle/levels/row/lifecycle.ts'
import type { Lifecycle } from '../../src/lifecycle/lifecycle.ts'
import { qualify } from '../../src/sql/identifier.ts'

/** Something of a dropped tenant that is still there. */
export interface Remainder {
  readonly kind: 'schema' | 'role' | 'database' | 'status' | 'rows' | 'session'
  /** What it is called, or how many. */
  readonly what: string
}

// What is kept on purpose: the tombstone and the receipt.
const KEPT = ['tenant', 'tenant_offboarding']

const KEYED = `select c.relname as name from pg_class c where c.relnamespace = to_regnamespace($1) and c.relkind in ('r', 'p')
  and c.relname <> all ($2::text[])
  and 2 = (select count(*) from pg_attribute a where a.attrelid = c.oid and a.attname in ('prefix', 'key') and not a.attisdropped)`

/**
 * Looks for anything left of a tenant: schema, role, database, sessions of that role, rows in the tables that tenants share,
 * and rows in any table of the control schema that is kept by tenant (migrations, credentials). Nothing found, and a receipt, prove the off-boarding.
 *
 * @returns nothing when the tenant is gone and its tombstone stands
 * @throws TenancyError DATABASE_ERROR, CONNECTION_LOST
 */
export function findRemains(lifecycle: Lifecycle, tenant: TenantKey): Promise<Remainder[]> {
  const { naming, registry } = lifecycle
  const [schema, role] = [schemaOf(naming, tenant), roleOf(naming, tenant)]
  return inAdminTransaction(lifecycle.adminPool, async (admin) => {
    const found: Remainder[] = []
    if ((await admin.run('select from pg_namespace where nspname = $1', [schema])).length > 0)
      found.push({ kind: 'schema', what: schema })
    if ((await admin.run('select from pg_roles where rolname = $1', [role])).length > 0)
      found.push({ kind: 'role', what: role })
    if ((await admin.run('select from pg_database where datname = $1', [role])).length > 0)
      found.push({ kind: 'database', what: role })
    const sessions = await admin.run('select from pg_stat_activity where usename = $1', [role])
    if (sessions.length > 0) found.push({ kind: 'session', what: String(sessions.length) })
    const [row] = await admin.run(
      `select status from ${qualify(registry.controlSchema, 'tenant')} where prefix = $1 and key = $2`,
      [registry.prefix, tenant],
    )
    if (row?.status !== 'deleted') found.push({ kind: 'status', what: String(row?.status ?? 'no tombstone') })
    const { row: shared } = lifecycle.ofLevel
    if (shared) {
      await actFor(admin, { ...lifecycle, row: shared }, tenant)
      const table = await findRows(admin, shared, tenant)
      if (table !== undefined) found.push({ kind: 'rows', what: `some in ${table}` })
    }
    for (const { name } of await admin.run(KEYED, [registry.controlSchema, KEPT])) {
      const [count] = await admin.run(
        `select count(*)::int as rows from ${qualify(registry.controlSchema, String(name))} where prefix = $1 and key = $2`,
        [registry.prefix, tenant],
      )
      if (count?.rows !== 0) found.push({ kind: 'rows', what: `${count?.rows} in ${name}` })
    }
    return found
  })
}
