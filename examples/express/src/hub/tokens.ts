import { requireActive, type TenantKey, type TenantQueryable } from '@org/core'
import {
  createDenylist,
  createRefreshTokens,
  createSigningKeys,
  createTokenIssuer,
  createTokenVerifier,
} from '@org/crypto/tokens'
import type { Tenancy } from '@org/pg-tenant'
import type { HubConfig } from '../config.ts'

export type HubTokens = ReturnType<typeof hubTokens>

/** Access tokens (15 minutes, RS256) and refresh tokens (stored hashed, rotated), and who was logged out. */
export function hubTokens(config: HubConfig, tenancy: Tenancy) {
  const keys = createSigningKeys({ keys: [{ key: config.TOKEN_SIGNING_KEY, signsFrom: new Date(0) }] })
  const api = { issuer: config.TOKEN_ISSUER, audience: config.TOKEN_AUDIENCE, keys }
  const denylist = createDenylist({
    // As many as are active within a second; else each of their requests reads the table.
    maxTenants: 10_000,
    scope: async <T>(tenant: TenantKey, read: (db: TenantQueryable) => Promise<T>) => {
      // First: a good token of a tenant that has left meanwhile is refused as that.
      await requireActive(tenancy.lookup, tenant)
      return await tenancy.withTenant(tenant, read, { readOnly: true })
    },
  })
  return {
    keys,
    issuer: createTokenIssuer(api),
    /** @param lifetime seconds */
    issuerFor: (lifetime: number) => createTokenIssuer({ ...api, lifetime }),
    verifier: createTokenVerifier({ ...api, denylist }),
    denylist,
    refresh: createRefreshTokens(),
  }
}
