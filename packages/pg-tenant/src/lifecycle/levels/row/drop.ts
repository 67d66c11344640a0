import { TenancyError, type TenantKey } from '@org/core'
import { type Admin, inAdminTransaction } from '../../../admin/transaction.ts'
import { schemaOf } from '../../../isolation/names.ts'
import { ROW } from '../../../isolation/row.ts'
import { recordOf, setStatus } from '../../../registry/registry.ts'
import { qualify } from '../../../sql/identifier.ts'
import { lockTenant } from '../../lifecycle.ts'
import { removeLoginRole } from '../../login-role.ts'
import { prepare } from '../../prepare.ts'
import { type DropStep, deleteRows, findRows, planDrop } from './delete.ts'
import { actFor, type RowLifecycle, waitForScopes } from './lifecycle.ts'

/** What {@link dropRow} removed, by table; rows deleted before it was cut off and run again are in it. */
export interface RowReceipt {
  readonly rows: Readonly<Record<string, number>>
}

/** In the control schema: how many rows of which table a drop has removed so far. Written with the rows' deletion. */
const PROGRESS = 'row_drop'

const CREATE_PROGRESS = (progress: string) => `create table if not exists ${progress} (
  prefix text not null,
  key text not null,
  table_name text not null,
  rows_deleted bigint not null,
  primary key (prefix, key, table_name)
)`

/**
 * Removes a tenant: running scopes are waited for and no new one opens, then its rows go in batches, each in a
 * transaction of its own. Cut off at any point, it is run again and goes on. The key becomes a tombstone.
 *
 * @param batch rows deleted in one transaction at most (default 10,000); tables with circular foreign keys go whole
 * @returns `undefined` when there is no such tenant
 * @throws TenancyError TIMEOUT when running scopes stay; CONFLICT when foreign keys of other tenants' rows, or of tables
 *   outside, hold rows back; DATABASE_ERROR
 */
export async function dropRow(
  lifecycle: RowLifecycle,
  tenant: TenantKey,
  { batch = 10_000 }: { readonly batch?: number } = {},
): Promise<RowReceipt | undefined> {
  await prepare(lifecycle)
  const steps = await begin(lifecycle, tenant)
  if (!steps) return undefined
  for (const step of steps) {
    while (await transaction(lifecycle, tenant, (admin) => remove(admin, lifecycle, tenant, step, batch)));
  }
  return transaction(lifecycle, tenant, (admin) => finish(admin, lifecycle, tenant))
}

/** Lets running scopes end, shuts the entrance for good, and says what to delete in which order. */
function begin(lifecycle: RowLifecycle, tenant: TenantKey): Promise<DropStep[] | undefined> {
  const { adminPool, naming, registry, row } = lifecycle
  return inAdminTransaction(adminPool, async (admin) => {
    await lockTenant(admin, schemaOf(naming, tenant))
    await waitForScopes(admin, lifecycle, tenant)
    const record = await recordOf(admin, registry, tenant)
    if (!record || record.status === 'deleted') return undefined
    if (record.isolation !== ROW) {
      throw new TenancyError(
        'CONFLICT',
        'This tenant lives at another isolation level. Use a tenancy of that level.',
        {
          details: { tenant },
        },
      )
    }
    const progress = qualify(registry.controlSchema, PROGRESS)
    await admin.run(CREATE_PROGRESS(progress))
    if (record.status !== 'deleting') {
      await admin.run(`delete from ${progress} where prefix = $1 and key = $2`, [registry.prefix, tenant])
      await setStatus(admin, registry, tenant, 'deleting')
    }
    return planDrop(admin, row)
  })
}

/** One transaction of a drop; the key may have got a new owner since the one before. */
function transaction<T>(
  lifecycle: RowLifecycle,
  tenant: TenantKey,
  fn: (admin: Admin) => Promise<T>,
): Promise<T> {
  const { adminPool, naming, registry } = lifecycle
  return inAdminTransaction(adminPool, async (admin) => {
    await lockTenant(admin, schemaOf(naming, tenant))
    const record = await recordOf(admin, registry, tenant)
    if (record?.status !== 'deleting') {
      throw new TenancyError(
        'CONFLICT',
        'The tenant was dropped or brought back by somebody else meanwhile.',
        {
          details: { tenant },
        },
      )
    }
    return fn(admin)
  })
}

/** @returns whether there may be more */
async function remove(
  admin: Admin,
  lifecycle: RowLifecycle,
  tenant: TenantKey,
  step: DropStep,
  batch: number,
): Promise<boolean> {
  const { registry, row } = lifecycle
  await actFor(admin, lifecycle, tenant)
  const deleted = await deleteRows(admin, row, tenant, step, batch)
  for (const [table, count] of deleted) {
    if (count === 0) continue
    await admin.run(
      `insert into ${qualify(registry.controlSchema, PROGRESS)} as p (prefix, key, table_name, rows_deleted)
       values ($1, $2, $3, $4)
       on conflict (prefix, key, table_name) do update set rows_deleted = p.rows_deleted + excluded.rows_deleted`,
      [registry.prefix, tenant, table, count],
    )
  }
  return !step.whole && [...deleted.values()].some((count) => count === batch)
}

async function finish(admin: Admin, lifecycle: RowLifecycle, tenant: TenantKey): Promise<RowReceipt> {
  const { registry, row } = lifecycle
  await actFor(admin, lifecycle, tenant)
  // Nothing is called gone that is not: a migration may have made a table since the plan, a worker written past it.
  const table = await findRows(admin, row, tenant)
  if (table !== undefined) {
    throw new TenancyError('CONFLICT', 'Rows of the tenant came while it was dropped. Run drop(key) again.', {
      details: { table },
    })
  }
  await removeLoginRole({ admin, lifecycle, tenant })
  await setStatus(admin, registry, tenant, 'deleted')
  const rows = await admin.run(
    `select table_name, rows_deleted::float8 as count from ${qualify(registry.controlSchema, PROGRESS)}
     where prefix = $1 and key = $2 order by table_name`,
    [registry.prefix, tenant],
  )
  return {
    rows: Object.fromEntries(rows.map(({ table_name, count }) => [String(table_name), Number(count)])),
  }
}
