import { TenancyError } from '@org/core'
import { ROW, type RowPlace } from '../../../isolation/row.ts'
import { recordOf } from '../../../registry/registry.ts'
import { removeLoginRole } from '../../login-role.ts'
import type { LevelLifecycle, TenantWork } from '../level.ts'
import { deleteRows, findRows, planDrop } from './delete.ts'
import { requireFittingKey } from './fitting-key.ts'
import { actFor, type RowLifecycle } from './lifecycle.ts'
import { ensureShared, migrateRow } from './prepare.ts'
import { waitForScopes } from './presence.ts'
import { allowReading, ensureReader } from './reader.ts'

/**
 * Level `row`: a tenant is a row of the registry, whose status every scope reads at its entrance. The first one of a
 * release also makes what all share; provisioning one that is there repairs it.
 */
export function rowLevel(row: RowPlace): LevelLifecycle {
  const lifecycleOf = ({ lifecycle }: TenantWork): RowLifecycle => ({ ...lifecycle, row })
  return {
    level: ROW,
    row,
    staged: false,
    ensureRoles: async () => undefined,
    ownerOf: () => undefined,
    atHome: (work, fn) => fn(work.admin),
    furnish: async (work) => {
      const created = work.status === 'provisioning'
      const applied = await ensureShared(work.admin, lifecycleOf(work), work.application, !created)
      await requireFittingKey(work.admin, row, work.tenant)
      await ensureReader(work, row)
      return { created, ...applied }
    },
    migrateShared: (lifecycle) => migrateRow({ ...lifecycle, row }),
    takeOutOfService: (work) => allowReading(work, row, false),
    putBackIntoService: (work) => allowReading(work, row, true),
    exists: async (work) => {
      const record = await recordOf(work.admin, work.lifecycle.registry, work.tenant)
      if (!record || record.status === 'deleted') return false
      if (record.isolation === ROW) return true
      throw new TenancyError(
        'CONFLICT',
        'This tenant lives at another isolation level. Use a tenancy of that level.',
        {
          details: { tenant: work.tenant },
        },
      )
    },
    drain: (work) => waitForScopes(work, lifecycleOf(work)),
    // In one transaction; off-boarding does the same in batches, for tenants with many rows.
    takeDown: async (work) => {
      await actFor(work.admin, lifecycleOf(work), work.tenant)
      for (const step of await planDrop(work.admin, row)) {
        await deleteRows(work.admin, row, work.tenant, { ...step, whole: true }, 0)
      }
      await requireNoRows(work, row)
      await removeLoginRole(work)
    },
  }
}

/** Nothing is called gone that is not: a trigger may keep rows, a worker may have written past the entrance. */
async function requireNoRows({ admin, tenant }: TenantWork, row: RowPlace): Promise<void> {
  const table = await findRows(admin, row, tenant)
  if (table === undefined) return
  throw new TenancyError(
    'CONFLICT',
    'Rows of the tenant are still there: a trigger kept them, or they came meanwhile. Nothing was changed; see to that ' +
      'table, and run drop(key) again.',
    { details: { table } },
  )
}
