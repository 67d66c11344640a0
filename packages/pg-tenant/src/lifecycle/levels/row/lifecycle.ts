import { setTimeout as pause } from 'node:timers/promises'
import { isTenancyError, SQLSTATE, TenancyError, type TenantKey } from '@org/core'
import { ADMIN_LIMITS, type Admin } from '../../../admin/transaction.ts'
import { isServerError, withDriverError } from '../../../errors/server-error.ts'
import { type RowPlace, TENANT_SETTING } from '../../../isolation/row.ts'
import { lockByName } from '../../../registry/locks.ts'
import { quoteIdentifier } from '../../../sql/identifier.ts'
import type { Lifecycle } from '../../lifecycle.ts'

/** What the life of tenants at level `row` needs to know of a tenancy. */
export interface RowLifecycle extends Lifecycle {
  readonly row: RowPlace
}

/**
 * One at a time for each shared schema, across processes; released with the transaction.
 *
 * @param patience milliseconds to wait for somebody else
 * @throws TenancyError CONFLICT when somebody else has it for longer: an index is being built, for instance
 */
export async function lockSharedSchema(
  admin: Admin,
  { registry, row }: RowLifecycle,
  patience: number = ADMIN_LIMITS.lockTimeout,
): Promise<void> {
  await admin.run(`set local lock_timeout = ${patience}`)
  await lockByName(admin, registry, `row:${row.schema}`).catch((error: unknown) => {
    throw isServerError(error) && error.code === SQLSTATE.LOCK_NOT_AVAILABLE
      ? withDriverError(sharedBusy(row), error)
      : error
  })
  await admin.run(`set local lock_timeout = ${ADMIN_LIMITS.lockTimeout}`)
}

export function sharedBusy({ schema }: RowPlace): TenancyError {
  const message = 'Somebody else is migrating the shared tables. Run it again later.'
  return new TenancyError('CONFLICT', message, { details: { schema, reason: BUSY } })
}

const BUSY = 'busy'

/** What {@link whenFree} is to wait for the lock in one try, and between two, in milliseconds. */
export const BRIEFLY = 50

/**
 * Transactions that begin with the lock, tried {@link BRIEFLY} again and again. Whoever waited for it inside of one would be waited for
 * in turn by a CREATE INDEX CONCURRENTLY of who holds it, because of the snapshot.
 */
export async function whenFree<T>(transaction: () => Promise<T>): Promise<T> {
  const until = performance.now() + ADMIN_LIMITS.lockTimeout
  for (;;) {
    try {
      return await transaction()
    } catch (error) {
      const busy = isTenancyError(error) && error.details.reason === BUSY
      if (!busy || performance.now() > until) throw error
      await pause(BRIEFLY)
    }
  }
}

/** Acts for a tenant until the transaction ends: policies bind the administrator as well, unless it is a superuser. */
export async function actFor(admin: Admin, { naming, row }: RowLifecycle, tenant: TenantKey): Promise<void> {
  await admin.run(`select set_config('${TENANT_SETTING}', $1, true), set_config('search_path', $2, true)`, [
    tenant,
    quoteIdentifier(row.schema) + naming.sharedPath,
  ])
}

// The application is refused if it could step around the policies: by its own attributes, or by becoming whoever
// owns what they stand on. PostgreSQL 15 lets CREATEROLE join any role that is no superuser.
const APPLICATION = `select r.rolsuper as superuser, r.rolbypassrls as bypass, r.rolcreaterole as createrole,
    pg_has_role(r.oid, current_user, 'member') as administrator,
    exists (select from pg_class c where c.relnamespace = to_regnamespace($2) and pg_has_role(r.oid, c.relowner, 'member'))
      or exists (select from pg_namespace n where n.nspname in ($2, $3) and pg_has_role(r.oid, n.nspowner, 'member')) as owner
  from pg_roles r where r.rolname = $1`

const WHY: Readonly<Record<string, string>> = {
  superuser: 'It is a superuser. Run: ALTER ROLE … NOSUPERUSER, or connect as another role.',
  bypass: 'It has BYPASSRLS. Run: ALTER ROLE … NOBYPASSRLS.',
  createrole:
    'It has CREATEROLE, with which it can join the owner of the tables. Run: ALTER ROLE … NOCREATEROLE.',
  administrator: 'It is the administrator, or a member of it. Pass an adminPool of another role.',
  owner:
    'It owns the shared schema or something in it, or is a member of the role that does. Give that to the ' +
    "administrator's role (ALTER TABLE … OWNER TO …), or revoke the membership.",
}

/**
 * Row-level security holds for a role only if it can neither bypass the policies nor change them.
 *
 * @throws TenancyError INVALID_OPTION; `details.reason` says why
 */
export async function requireBoundApplication(
  admin: Admin,
  { registry, row }: RowLifecycle,
  application: string,
): Promise<void> {
  const [facts] = await admin.run(APPLICATION, [application, row.schema, registry.controlSchema])
  const reason = Object.keys(WHY).find((name) => facts?.[name] === true)
  if (facts && reason === undefined) return
  throw new TenancyError(
    'INVALID_OPTION',
    `Level row does not bind the application's role. ${WHY[reason ?? ''] ?? 'There is no such role here: connect both pools to one database.'}`,
    { details: { role: application, reason: reason ?? 'missing' } },
  )
}
