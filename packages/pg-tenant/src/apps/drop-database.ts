import { TenancyError } from '@org/core'
import { type AdminSession, withAdminSession } from '../admin/session.ts'
import type { PoolLike } from '../driver/types.ts'
import { endSessions } from '../lifecycle/login-role.ts'
import { dropWithConnections } from '../lifecycle/tenant-database.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import { nameOfApp, parseApp } from './app-names.ts'
import { setAppState, standingOfApp, waitForOthers, whileAppIsLocked } from './app-state.ts'

/**
 * Drops an app's database and role, ending their connections. There is no way back: back up first. When it is cut off,
 * run it again.
 *
 * @param confirm the app's name once more
 * @returns whether there was anything to drop
 * @throws TenancyError VALIDATION_ERROR (the name, or `confirm` is another), CONFLICT (the database or role was not made
 *   by `provisionDatabase`), DATABASE_ERROR, CONNECTION_LOST
 * @example
 * ```ts
 * import { dropDatabase } from '@org/pg-tenant/admin'
 *
 * await dropDatabase(adminPool, { app: 'nobodys_app', confirm: 'nobodys_app' }) // → false
 * ```
 */
export async function dropDatabase(
  adminPool: PoolLike,
  { app, confirm }: { readonly app: string; readonly confirm: string },
): Promise<boolean> {
  const name = nameOfApp(parseApp(app))
  if (confirm !== app) {
    throw new TenancyError(
      'VALIDATION_ERROR',
      "Repeat the app's name in confirm: its data is gone afterwards.",
      {
        details: { option: 'confirm' },
      },
    )
  }
  const work = async (session: AdminSession) => {
    await waitForOthers(session, name)
    const { role, database } = await standingOfApp(session, name)
    if (role === 'none' && database === 'none') return false
    if (role === 'foreign' || database === 'foreign') {
      throw new TenancyError('CONFLICT', 'That database or role was not made by provisionDatabase.', {
        details: { database: name },
      })
    }
    await takeDownApp(session, name)
    return true
  }
  return await whileAppIsLocked(adminPool, name, () => withAdminSession(adminPool, undefined, work))
}

/** Removes what there is of an app, the role last: its mark says what is under way. */
export async function takeDownApp(session: AdminSession, name: string): Promise<void> {
  const { role, database } = await standingOfApp(session, name)
  if (role === 'none' || role === 'foreign') return
  const quoted = quoteIdentifier(name)
  await setAppState(session, name, 'dropping')
  await session.run(`alter role ${quoted} nologin`)
  if (database === 'ours') {
    await endSessions(session.run, name)
    await dropWithConnections(session, name)
  }
  await session.run(`drop role ${quoted}`)
}
