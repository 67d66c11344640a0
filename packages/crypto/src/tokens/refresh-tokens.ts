import { randomUUID } from 'node:crypto'
import { invalidField, type OptionNames, requireKnownOptions, type TenantQueryable } from '@org/core'
import { batchLimit } from './denylist.ts'
import { invalidToken, tokenExpired } from './errors.ts'
import { identifier } from './options.ts'
import { parseRefreshOptions, type RefreshTokenOptions } from './refresh-options.ts'
import { type Revocation, revokeFamilies } from './refresh-revoke.ts'
import { type RefreshRotation, type RotatedRefreshToken, rotate } from './refresh-rotate.ts'
import { hashOf, newSecret, readSecret } from './refresh-secret.ts'
import { CLEAN_FAMILIES, CLEAN_SALTS, CLEAN_TOKENS, FAMILIES_OF_USER, FAMILY_OF_TOKEN, ISSUE } from './sql.ts'

export interface IssuedRefreshToken {
  /** hand it to the client; it is stored nowhere and cannot be shown again */
  readonly token: string
  readonly userId: string
  /** the login; every token that follows belongs to it */
  readonly family: string
  /** give it to the access token issued beside this one, so that logging out can deny both */
  readonly jti: string
  /** seconds since 1970, by the database's clock */
  readonly exp: number
}

/**
 * Refresh tokens in the tenant's own tables (`REFRESH_TOKEN_MIGRATION`). Every function runs in the transaction that
 * `db` is, READ COMMITTED, and takes effect when the caller commits.
 */
export interface RefreshTokens {
  /**
   * Begins a login.
   *
   * @throws TenancyError VALIDATION_ERROR
   */
  issue(db: TenantQueryable, userId: string): Promise<IssuedRefreshToken>
  /**
   * Replaces a token by its successor. It does not throw for a token it refuses: **a replay revokes the family, and
   * an exception would roll that back.** Let the transaction commit, then call {@link requireRotated}.
   */
  rotate(db: TenantQueryable, token: string): Promise<RefreshRotation>
  /**
   * Ends the login that a token belongs to, whichever of its tokens it is. A token that is none is no error
   * (RFC 7009, 2.2).
   */
  logout(db: TenantQueryable, token: string): Promise<Revocation>
  /** @throws TenancyError VALIDATION_ERROR when `family` is no UUID */
  revokeFamily(db: TenantQueryable, family: string): Promise<Revocation>
  /**
   * Ends every login that a user has at this moment. `userId` as it was given to `issue`, letter for letter: a UUID in
   * capitals is another text.
   *
   * @throws TenancyError VALIDATION_ERROR
   */
  revokeAllForUser(db: TenantQueryable, userId: string): Promise<Revocation>
  /**
   * Removes a batch of rows that no token can need any more. Call it until `done`, a transaction each.
   *
   * @param options.limit rows of each kind at most (default 1,000)
   * @param options.keep seconds that dead rows are kept, so that replays are still noticed (default one day)
   */
  cleanUp(
    db: TenantQueryable,
    options?: { readonly limit?: number; readonly keep?: number },
  ): Promise<{ readonly deleted: number; readonly done: boolean }>
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

const CREATE_REFRESH_TOKENS_OPTIONS: OptionNames<RefreshTokenOptions> = {
  prefix: true,
  familyLifetime: true,
  idleLifetime: true,
  grace: true,
  accessLifetime: true,
}

/**
 * @throws TenancyError INVALID_OPTION
 *
 * @example
 * ```ts
 * import { createRefreshTokens, requireRotated } from '@org/crypto/tokens'
 *
 * // REFRESH_TOKEN_MIGRATION is one of the tenancy's migrations.
 * const refreshTokens = createRefreshTokens()
 * const first = await tenancy.withTenant('acme', (db) => refreshTokens.issue(db, 'user-1'))
 * const rotation = await tenancy.withTenant('acme', (db) => refreshTokens.rotate(db, first.token))
 * const next = requireRotated(rotation)
 * next.token === first.token // → false
 * ```
 */
export function createRefreshTokens(options: RefreshTokenOptions = {}): RefreshTokens {
  requireKnownOptions(options, CREATE_REFRESH_TOKENS_OPTIONS)
  const settings = parseRefreshOptions(options)
  const revoke = (db: TenantQueryable, families: readonly string[], reason: string) =>
    revokeFamilies(db, families, reason, settings)
  return {
    issue: async (db, user) => {
      const userId = identifier('userId', user)
      const secret = newSecret(settings.prefix)
      const jti = randomUUID()
      const { familyLifetime, idleLifetime } = settings
      const { rows } = await db.query<{ family: string; expires: number }>(ISSUE, [
        userId,
        familyLifetime,
        hashOf(db.tenant, secret),
        jti,
        idleLifetime,
      ])
      const { family = '', expires = 0 } = rows[0] ?? {}
      return { token: secret.text, userId, family, jti, exp: Math.floor(expires) }
    },
    rotate: (db, token) => rotate(db, token, settings),
    logout: async (db, token) => {
      const secret = readSecret(settings.prefix, token)
      if (secret === undefined) return revoke(db, [], 'logout')
      const { rows } = await db.query<{ family: string }>(FAMILY_OF_TOKEN, [hashOf(db.tenant, secret)])
      return revoke(
        db,
        rows.map(({ family }) => family),
        'logout',
      )
    },
    revokeFamily: async (db, family) => {
      if (typeof family !== 'string' || !UUID.test(family)) throw invalidField('family', 'a UUID')
      return revoke(db, [family], 'revoked')
    },
    revokeAllForUser: async (db, user) => {
      const { rows } = await db.query<{ family: string }>(FAMILIES_OF_USER, [identifier('userId', user)])
      return revoke(
        db,
        rows.map(({ family }) => family),
        'revoked',
      )
    },
    cleanUp: async (db, { limit, keep = 86_400 } = {}) => {
      const most = batchLimit(limit)
      if (!(Number.isSafeInteger(keep) && keep >= 0 && keep <= 31_536_000)) {
        throw invalidField('keep', 'a whole number of seconds, up to a year')
      }
      const { rowCount: tokens } = await db.query(CLEAN_TOKENS, [most, keep])
      const { rowCount: families } = await db.query(CLEAN_FAMILIES, [most])
      const { rowCount: salts } = await db.query(CLEAN_SALTS, [settings.grace, most])
      const counts = [tokens ?? 0, families ?? 0, salts ?? 0]
      return { deleted: (tokens ?? 0) + (families ?? 0), done: counts.every((count) => count < most) }
    },
  }
}

/**
 * The new token, or the error to answer with. For **after** the transaction: thrown inside, it would undo the
 * revocation that a replay caused.
 *
 * @throws TenancyError TOKEN_EXPIRED, or INVALID_TOKEN for anything else, a replay included
 * @example
 * ```ts
 * import { createRefreshTokens, requireRotated } from '@org/crypto/tokens'
 *
 * const refreshTokens = createRefreshTokens()
 * // Behind the commit, which keeps the revocation that a replay causes.
 * const rotation = await tenancy.withTenant('acme', (db) => refreshTokens.rotate(db, 'no token'))
 * requireRotated(rotation) // → throws INVALID_TOKEN
 * ```
 */
export function requireRotated(rotation: RefreshRotation): RotatedRefreshToken {
  if (rotation.outcome === 'rotated') return rotation
  throw rotation.outcome === 'expired' ? tokenExpired() : invalidToken()
}
