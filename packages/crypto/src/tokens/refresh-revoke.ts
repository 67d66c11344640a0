import type { TenantQueryable } from '@org/core'
import type { DeniableToken } from './denylist.ts'
import type { RefreshSettings } from './refresh-options.ts'
import { LIVE_ACCESS_TOKENS, REVOKE } from './sql.ts'

/** What a revocation ended. */
export interface Revocation {
  /** logins that were live until now; 0 when there was nothing to revoke */
  readonly revoked: number
  /** whose they were */
  readonly userIds: readonly string[]
  /** access tokens that may still be in use: hand them to `denylist.deny` */
  readonly accessTokens: readonly DeniableToken[]
}

/** For an access token whose issue was delayed after its refresh token's. */
const MARGIN = 60

export async function revokeFamilies(
  db: TenantQueryable,
  families: readonly string[],
  reason: string,
  { grace, accessLifetime }: RefreshSettings,
): Promise<Revocation> {
  if (families.length === 0) return { revoked: 0, userIds: [], accessTokens: [] }
  const { rows } = await db.query<{ family: string; userId: string }>(REVOKE, [families, reason])
  if (rows.length === 0) return { revoked: 0, userIds: [], accessTokens: [] }
  const { rows: accessTokens } = await db.query<{ jti: string; exp: number }>(LIVE_ACCESS_TOKENS, [
    rows.map(({ family }) => family),
    grace + accessLifetime + MARGIN,
  ])
  return { revoked: rows.length, userIds: [...new Set(rows.map(({ userId }) => userId))], accessTokens }
}
