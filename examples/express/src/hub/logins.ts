import { TenancyError, type TenantQueryable } from '@org/core'
import type { HubTokens } from './tokens.ts'

/**
 * Holds the user until the transaction ends: who suspends them or changes their password waits, and then ends the login
 * that begins here as well. `c` more strongly: two logins at once may both want to store a better hash.
 */
const HOLD = `select from "user" u join user_credential c on c.user_id = u.id
  where u.id = $1 and c.password_hash = $2 and u.status = 'active' and u.deleted_at is null
  for share of u for no key update of c`
const IS_ACTIVE = `select from "user" where id::text = $1 and status = 'active' and deleted_at is null`

/** @throws TenancyError UNAUTHORIZED when the user was suspended, or has another password, since it was checked */
export async function holdCredential(db: TenantQueryable, userId: string, passwordHash: string) {
  const { rowCount } = await db.query(HOLD, [userId, passwordHash])
  if (rowCount === 0) throw wrongCredential()
}

/** One answer for everything that can be wrong: nobody learns who is a user. */
export function wrongCredential(): TenancyError {
  return new TenancyError('UNAUTHORIZED', 'E-mail and password do not match.')
}

export async function isActive(db: TenantQueryable, userId: string): Promise<boolean> {
  return (await db.query(IS_ACTIVE, [userId])).rowCount === 1
}

/** Ends the login of a refresh token that the transaction holds already; never another's, which somebody else may hold. */
export async function endLogin(
  { refresh, denylist }: HubTokens,
  db: TenantQueryable,
  family: string,
): Promise<void> {
  const { accessTokens } = await refresh.revokeFamily(db, family)
  await denylist.deny(db, accessTokens)
}

/** Ends every login of a user, refresh tokens and access tokens, when the transaction of `db` commits. */
export async function endLogins(
  { refresh, denylist }: HubTokens,
  db: TenantQueryable,
  userId: string,
): Promise<void> {
  const { accessTokens } = await refresh.revokeAllForUser(db, userId)
  await denylist.deny(db, accessTokens)
}
