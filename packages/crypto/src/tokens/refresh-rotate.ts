import { randomUUID } from 'node:crypto'
import { TenancyError, type TenantQueryable } from '@org/core'
import type { DeniableToken } from './denylist.ts'
import type { RefreshSettings } from './refresh-options.ts'
import { revokeFamilies } from './refresh-revoke.ts'
import { hashOf, newSalt, type RefreshSecret, readSecret, successorOf } from './refresh-secret.ts'
import { HOLD_FAMILY, READ_TOKEN, SUCCEED } from './sql.ts'

/** The successor of the token that was presented. */
export interface RotatedRefreshToken {
  readonly outcome: 'rotated'
  /** whether it had been handed out before: the same token again, within the grace window */
  readonly repeated: boolean
  readonly token: string
  readonly userId: string
  readonly family: string
  readonly jti: string
  /** seconds since 1970, by the database's clock */
  readonly exp: number
}

/** What became of a token that was presented. Let the transaction commit whichever it is. */
export type RefreshRotation =
  | RotatedRefreshToken
  /** A token that had been replaced came back: someone else has it too. Its family is revoked now. */
  | {
      readonly outcome: 'reused'
      readonly userId: string
      readonly family: string
      /** access tokens that may still be in use: hand them to `denylist.deny` in the same transaction */
      readonly accessTokens: readonly DeniableToken[]
    }
  /** It, or the login it belongs to, ran out. */
  | { readonly outcome: 'expired' }
  /** No token of this tenant. */
  | { readonly outcome: 'unknown' }
  /** Its login was ended before, by logging out or by a replay. */
  | { readonly outcome: 'revoked' }

interface Family {
  readonly family: string
  readonly userId: string
  readonly revoked: boolean
  readonly expired: boolean
}

interface TokenState {
  readonly id: string
  readonly rotated: boolean
  readonly expired: boolean
  readonly inGrace: boolean
  readonly salt: string | null
  readonly jti: string | null
  readonly nextUsable: boolean
  readonly expires: number | null
}

/** Three statements; see {@link HOLD_FAMILY} for what keeps ten of these from making ten successors. */
export async function rotate(
  db: TenantQueryable,
  text: string,
  settings: RefreshSettings,
): Promise<RefreshRotation> {
  const presented = readSecret(settings.prefix, text)
  if (presented === undefined) return { outcome: 'unknown' }
  const hash = hashOf(db.tenant, presented)
  const family = (await db.query<Family>(HOLD_FAMILY, [hash])).rows[0]
  if (family === undefined) return { outcome: 'unknown' }
  if (family.revoked) return { outcome: 'revoked' }
  if (family.expired) return { outcome: 'expired' }
  const token = (await db.query<TokenState>(READ_TOKEN, [hash, settings.grace])).rows[0]
  if (token === undefined) return { outcome: 'unknown' }
  if (token.rotated) {
    return repeat(db, presented, token, family, settings) ?? (await reused(db, family, settings))
  }
  if (token.expired) return { outcome: 'expired' }
  return succeed(db, presented, token, family, settings)
}

/** The same successor once more: within the grace window, and only while nobody has used it. */
function repeat(
  db: TenantQueryable,
  presented: RefreshSecret,
  { inGrace, nextUsable, salt, jti, expires }: TokenState,
  { family, userId }: Family,
  { prefix }: RefreshSettings,
): RotatedRefreshToken | undefined {
  if (!inGrace || !nextUsable || salt === null || jti === null) return undefined
  const { text: token } = successorOf(prefix, db.tenant, presented, salt)
  return { outcome: 'rotated', repeated: true, token, userId, family, jti, exp: Math.floor(expires ?? 0) }
}

async function reused(
  db: TenantQueryable,
  { family, userId }: Family,
  settings: RefreshSettings,
): Promise<RefreshRotation> {
  const { accessTokens } = await revokeFamilies(db, [family], 'reused', settings)
  return { outcome: 'reused', userId, family, accessTokens }
}

async function succeed(
  db: TenantQueryable,
  presented: RefreshSecret,
  { id }: TokenState,
  { family, userId }: Family,
  { prefix, idleLifetime }: RefreshSettings,
): Promise<RefreshRotation> {
  const salt = newSalt()
  const next = successorOf(prefix, db.tenant, presented, salt)
  const jti = randomUUID()
  const values = [id, salt, hashOf(db.tenant, next), jti, idleLifetime]
  const { rows } = await db.query<{ expires: number }>(SUCCEED, values)
  const [stored] = rows
  // Nothing was stored, so there is nothing to hand out. The lock excludes it under READ COMMITTED.
  if (stored === undefined)
    throw new TenancyError('CONFLICT', 'The token changed meanwhile. Rotate it again.')
  const exp = Math.floor(stored.expires)
  return { outcome: 'rotated', repeated: false, token: next.text, userId, family, jti, exp }
}
