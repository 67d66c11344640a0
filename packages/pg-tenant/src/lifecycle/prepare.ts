import { isTenancyError } from '@org/core'
import { type Admin, inAdminTransaction } from '../admin/transaction.ts'
import { connectTo } from '../driver/checkout.ts'
import type { PoolLike } from '../driver/types.ts'
import { fromConnectError } from '../errors/from-connect-error.ts'
import { ensureControlSchema, hasControlSchema } from '../registry/control-schema.ts'
import { ensureWhole } from '../registry/whole-function.ts'
import { requireCitus } from './distributed-schemas.ts'
import type { Lifecycle } from './lifecycle.ts'

type Preparing = Pick<Lifecycle, 'level' | 'pool' | 'adminPool' | 'registry' | 'distributedSchemas'>

const prepared = new WeakMap<Preparing, Promise<string>>()

/**
 * What administrative work needs once for each tenancy: the control schema, and the role the application logs in with,
 * which is the one to be let into the tenants.
 *
 * @returns the application's role
 */
export function prepare(lifecycle: Preparing): Promise<string> {
  const known = prepared.get(lifecycle)
  if (known) return known
  const work = prepareOnce(lifecycle)
  prepared.set(lifecycle, work)
  work.catch(() => prepared.delete(lifecycle))
  return work
}

async function prepareOnce(lifecycle: Preparing): Promise<string> {
  const { adminPool, pool } = lifecycle
  const application = await applicationRole(pool)
  const ensure = () => inAdminTransaction(adminPool, (admin) => prepareIn(admin, lifecycle, application))
  await ensure().catch(async (error: unknown) => {
    // Two came at once where there was none.
    if (!isTenancyError(error) || !ALREADY_THERE.includes(error.details.sqlState)) throw error
    await ensure()
  })
  return application
}

/** Whether nobody was in that database yet: there is no control schema. */
export async function isBare({
  adminPool,
  registry,
}: Pick<Lifecycle, 'adminPool' | 'registry'>): Promise<boolean> {
  return !(await inAdminTransaction(adminPool, (admin) => hasControlSchema(admin, registry.controlSchema)))
}

/** What {@link prepare} makes, in a transaction of the caller's, who may undo it: for who only tries. */
export async function prepareIn(admin: Admin, lifecycle: Preparing, application: string): Promise<void> {
  const { distributedSchemas, level, registry } = lifecycle
  if (distributedSchemas) await requireCitus(admin, level)
  await ensureControlSchema(admin, registry.controlSchema, application)
  if (distributedSchemas) await ensureWhole(admin, registry.controlSchema, application)
}

/** unique_violation, duplicate_schema, duplicate_table, duplicate_column, duplicate_function */
const ALREADY_THERE: readonly unknown[] = ['23505', '42P06', '42P07', '42701', '42723']

/** @throws TenancyError CONNECTION_LOST, DATABASE_ERROR */
export async function applicationRole(pool: PoolLike): Promise<string> {
  const client = await connectTo(pool)
  try {
    const { rows } = await client.query('select session_user as role')
    client.release()
    return String((rows[0] as { role: unknown }).role)
  } catch (error) {
    client.release(true)
    throw fromConnectError(error)
  }
}
