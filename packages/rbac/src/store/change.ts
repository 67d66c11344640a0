import { isTenancyError, TenancyError, type TenantQueryable } from '@org/core'
import type { EvaluatorCache } from './cache.ts'

/** Locks the tenant's epoch (and makes its row): changes of one tenant come one after the other. */
const LOCK = `insert into rbac_epoch default values
  on conflict on constraint pk_rbac_epoch do update set updated_at = now() returning epoch`

/** Given up on purpose: the guard looks only whether there was an administrator before. */
const GIVE_UP = 'update rbac_epoch set administered = false'

export interface ChangeOptions {
  /** Goes on when it leaves the tenant without an active administrator (default `false`: CONFLICT). */
  readonly allowNoAdministrator?: boolean | undefined
}

/** Runs changes of a tenant's users, groups and grants. */
export type Change = <T>(db: TenantQueryable, run: () => Promise<T>, options?: ChangeOptions) => Promise<T>

export function changesOf(cache: EvaluatorCache): Change {
  return async (db, run, { allowNoAdministrator = false } = {}) => {
    const { rows } = await db.query<{ epoch: string }>(LOCK)
    cache.changing(db.tenant, String(rows[0]?.epoch))
    if (allowNoAdministrator) await db.query(GIVE_UP)
    return run().catch((error: unknown) => {
      throw isLockOut(error) ? lockedOut(error) : error
    })
  }
}

/** Whether the guard of the database refused it: as a coded error, or as the driver's own. */
function isLockOut(error: unknown): boolean {
  const { constraint } = (isTenancyError(error) ? error.details : error) as { constraint?: unknown }
  return constraint === 'ck_last_administrator'
}

function lockedOut(cause: unknown): TenancyError {
  return new TenancyError(
    'CONFLICT',
    'Nobody would be left who may administer the tenant. Make somebody else an administrator first, or pass ' +
      '{ allowNoAdministrator: true }.',
    { details: { reason: 'last_administrator' }, cause },
  )
}
