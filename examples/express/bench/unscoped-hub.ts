import type { TenantKey } from '@org/core'
import { readTogether, type Tenancy } from '@org/pg-tenant'
import pg from 'pg'
import { openGovernance } from '../src/hub/governance.ts'
import type { Hub } from '../src/hub/open-hub.ts'
import { hubTokens } from '../src/hub/tokens.ts'

/** What `GET /v1/users` and the checks in front of it read of a tenant. */
const TABLES = ['user', 'group', 'user_group', 'group_permission', 'denied_jti', 'rbac_epoch'] as const
const NAMED = new RegExp(`(?<=\\b(?:from|join) )("?)(${TABLES.join('|')})\\1(?![\\w.])`, 'g')

/** Lets everybody read them: without scopes there is nobody else to read them as. */
export const READABLE = `do $$
  declare tenant text;
  begin
    for tenant in select nspname from pg_namespace where nspname like 'c_t%' loop
      execute format('grant usage on schema %1$I to public; ${TABLES.map((table) => `grant select on %1$I."${table}" to public`).join('; ')}', tenant);
    end loop;
  end $$`

/**
 * The hub as it is (tokens, denylist, permissions, limits, log, headers, as many look-ups) but for scopes: each statement goes out by
 * `pool.query`, the tenant's schema written into it.
 */
export async function withoutScopes(hub: Hub): Promise<Hub> {
  const { config, control } = hub
  const pool = new pg.Pool({ connectionString: config.DATABASE_URL, max: config.POOL_SIZE })
  const parts = new Map<string, readonly string[]>()
  const qualified = (tenant: string, text: string): string => {
    const known = parts.get(text) ?? text.replaceAll(NAMED, '\0."$2"').split('\0')
    parts.set(text, known)
    return known.join(`"c_${tenant}"`)
  }
  const query = (tenant: string, text: string, values: readonly unknown[] = []) =>
    pool.query(qualified(tenant, text), [...values])
  const withTenant = (tenant: TenantKey, run: (db: object) => unknown) =>
    run({ tenant, query: query.bind(undefined, tenant) })
  const tenancy: Tenancy = Object.assign({ ...hub.tenancy }, { query, withTenant })
  const reads = readTogether(tenancy)
  const governance = await openGovernance(control, reads)
  return { ...hub, tenancy, governance, tokens: hubTokens(config, tenancy, reads, governance.ahead) }
}
