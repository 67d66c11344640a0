import { requireActive } from '@org/core'
import {
  type AccessToken,
  createDenylist,
  createRefreshTokens,
  createSigningKeys,
  createTokenIssuer,
  createTokenVerifier,
} from '@org/crypto/tokens'
import type { Tenancy, TenantReads } from '@org/pg-tenant'
import type { HubConfig } from '../config.ts'

export type HubTokens = ReturnType<typeof hubTokens>

/**
 * Access tokens (15 minutes, RS256) and refresh tokens (stored hashed, rotated), and who was logged out.
 *
 * @param reads where the denylists are read, together with what else is asked of the tenant
 * @param ahead told of a good token while the denylist is asked
 */
export function hubTokens(
  config: HubConfig,
  tenancy: Pick<Tenancy, 'lookup'>,
  reads: TenantReads,
  ahead: (token: AccessToken<unknown>) => void,
) {
  const keys = createSigningKeys({ keys: [{ key: config.TOKEN_SIGNING_KEY, signsFrom: new Date(0) }] })
  const api = { issuer: config.TOKEN_ISSUER, audience: config.TOKEN_AUDIENCE, keys }
  const denylist = createDenylist({
    // As many as are active within a second; else each of their requests reads the table.
    maxTenants: 10_000,
    tenants: {
      query: async (tenant, text, values) => {
        const read = reads.query<never>(tenant, text, values)
        read.catch(() => {})
        // First: a good token of a tenant that has left meanwhile is refused as that.
        await requireActive(tenancy.lookup, tenant)
        return await read
      },
    },
  })
  return {
    keys,
    issuer: createTokenIssuer(api),
    /** @param lifetime seconds */
    issuerFor: (lifetime: number) => createTokenIssuer({ ...api, lifetime }),
    verifier: createTokenVerifier({ ...api, denylist, onGood: ahead }),
    denylist,
    refresh: createRefreshTokens(),
  }
}
