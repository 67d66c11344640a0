import { isTenancyError, type Queryable, type QueryRows, TenancyError, type TenantKey } from '@org/core'
import type { Admin } from '../admin/transaction.ts'
import { OWN_PATH } from '../sql/own-path.ts'
import type { TenantWork } from './levels/level.ts'

const STATE = `select pg_current_xact_id()::text as transaction, current_user = session_user as unchanged`

/** What an application does in an administrator's transaction. */
interface Hook {
  /** The option it was given as. */
  readonly name: 'onForget' | 'onProvision'
  readonly call: (control: Queryable, tenant: TenantKey) => Promise<unknown>
  /** What it means that it failed, as a clause. */
  readonly without: string
}

/** Runs the application's `onForget` in the transaction that writes the tombstone. Errors as {@link runHook}. */
export async function runOnForget({
  admin,
  lifecycle,
  tenant,
}: Pick<TenantWork, 'admin' | 'lifecycle' | 'tenant'>): Promise<void> {
  const { onForget } = lifecycle
  if (onForget)
    await runHook(admin, tenant, { name: 'onForget', call: onForget, without: 'the tenant is not gone yet' })
}

/** Runs the application's `onProvision` where the tenant's data lives. Errors as {@link runHook}. */
export async function runOnProvision(work: TenantWork): Promise<void> {
  const { lifecycle, tenant } = work
  const { onProvision, ofLevel } = lifecycle
  if (!onProvision) return
  const hook = { name: 'onProvision', call: onProvision, without: 'the tenant is not there yet' } as const
  await ofLevel.atHome(work, async (home) => {
    // A restore may have left the session's own search path.
    await home.run(`set local search_path to ${OWN_PATH}`)
    await runHook(home, tenant, hook)
  })
}

/**
 * Runs the application's hook in the transaction of `admin`: what it does is there when the rest is, or not at all.
 *
 * @throws TenancyError INTERNAL_ERROR when it throws, with what it threw as `cause`; DATABASE_ERROR, CONFLICT,
 *   CONNECTION_LOST of its statements; STATEMENT_REFUSED when it ended the transaction or changed its role
 */
async function runHook(admin: Admin, tenant: TenantKey, hook: Hook): Promise<void> {
  const [before] = await admin.run(STATE)
  const { control, failures, revoke } = controlOf(admin, hook)
  try {
    await hook.call(control, tenant)
  } catch (error) {
    throw failures.has(error) || isTenancyError(error) ? error : failed(tenant, hook, error)
  } finally {
    revoke()
  }
  const [after] = await admin.run(STATE)
  if (after?.transaction === before?.transaction && after?.unchanged === true) return
  throw new TenancyError(
    'STATEMENT_REFUSED',
    `${hook.name} ended the transaction it was given or changed its role. Take BEGIN, COMMIT, ROLLBACK and SET ROLE out of it.`,
    { details: { tenant } },
  )
}

/** A handle that is of no use once the hook has returned. */
function controlOf(
  admin: Admin,
  { name }: Hook,
): {
  control: Queryable
  /** What its statements failed with: known to whoever runs the transaction. */
  failures: ReadonlySet<unknown>
  revoke: () => void
} {
  const failures = new Set<unknown>()
  let over = false
  const query = async <R extends object>(text: string, values?: readonly unknown[]) => {
    if (over) throw new TenancyError('SCOPE_ENDED', `${name} has ended; its handle is of no use any more.`)
    try {
      return (await admin.query(text, values)) as QueryRows<R>
    } catch (error) {
      failures.add(error)
      throw error
    }
  }
  return {
    control: { query },
    failures,
    revoke: () => {
      over = true
    },
  }
}

function failed(tenant: TenantKey, { name, without }: Hook, cause: unknown): TenancyError {
  return new TenancyError(
    'INTERNAL_ERROR',
    `${name} failed, so ${without}. Put right what it says (the cause) and run the same call again.`,
    { details: { tenant }, cause },
  )
}
