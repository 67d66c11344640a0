import { type QueryRows, SQLSTATE, sqlStateOf, type TenantKey, type TenantQueryable } from '@org/core'
import type { TenantScopes } from '../../tenants/scopes.ts'
import { send } from '../../tenants/send.ts'

/** Raises behind a moment of the database's clock: `$1` in milliseconds since 1970. Not folded when it is planned (`concat`). */
const FENCE = `select case when clock_timestamp() > to_timestamp($1::float8 / 1000) then concat('lease over')::integer end as held`

/**
 * A scope that commits only while the event is ours. Asked before and after `fn`, and by the server with COMMIT: this process, or
 * the network, may stand still in between.
 *
 * @param hold until when it surely is ours: see `Leases`
 */
export async function heldScope<T, Db extends TenantQueryable>(
  tenants: TenantScopes<Db>,
  tenant: TenantKey,
  fn: (db: Db) => Promise<T>,
  hold: () => Promise<number>,
): Promise<T> {
  await hold()
  let fenced = false
  try {
    return await tenants.withTenant(tenant, async (db) => {
      const made = await fn(db)
      const values = [await hold()]
      fenced = true
      await send(db, { name: 'governance_lease', text: FENCE, values })
      return made
    })
  } catch (error) {
    // Says so itself.
    if (fenced && sqlStateOf(error) === SQLSTATE.INVALID_TEXT_REPRESENTATION) await hold()
    throw error
  }
}

/** One statement, read only, so that nothing of it has to be held. */
export async function readOnce<R extends object, Db extends TenantQueryable>(
  tenants: TenantScopes<Db>,
  tenant: TenantKey,
  text: string,
  values: readonly unknown[] | undefined,
): Promise<QueryRows<R>> {
  const readOnly = { readOnly: true }
  if (tenants.query) return await tenants.query<R>(tenant, text, values, readOnly)
  return await tenants.withTenant(tenant, (db) => db.query<R>(text, values), readOnly)
}
