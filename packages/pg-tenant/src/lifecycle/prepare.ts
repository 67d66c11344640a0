import { SQLSTATE, sqlStateOf } from '@org/core'
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
    if (!ALREADY_THERE.includes(sqlStateOf(error))) throw error
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

const ALREADY_THERE: readonly unknown[] = [
  SQLSTATE.UNIQUE_VIOLATION,
  SQLSTATE.DUPLICATE_SCHEMA,
  SQLSTATE.DUPLICATE_TABLE,
  SQLSTATE.DUPLICATE_COLUMN,
  SQLSTATE.DUPLICATE_FUNCTION,
]

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
