import {
  type OptionNames,
  type Queryable,
  requireKnownOptions,
  type TenantKey,
  type TenantQueryable,
} from '@org/core'
import type { ApiKeys } from './api-keys.ts'
import type { ApiKeyDirectory } from './directory.ts'
import type { ServiceActor } from './verify.ts'

export interface AuthenticateOptions {
  readonly apiKeys: ApiKeys
  readonly directory: ApiKeyDirectory
  /** A pool that reads the directory. */
  readonly control: Queryable
  /** `tenancy.withTenant`, or anything else that opens a tenant. */
  readonly withTenant: (
    tenant: TenantKey,
    fn: (db: TenantQueryable) => Promise<ServiceActor>,
  ) => Promise<ServiceActor>
}

const NAMES: OptionNames<AuthenticateOptions> = {
  apiKeys: true,
  directory: true,
  control: true,
  withTenant: true,
}

/**
 * Who presents this key, when the request names no tenant: the directory says where to look, and the key has to verify
 * there. Nobody can name a tenant this way: for a key id that is not entered no scope is opened, and the answer and
 * the work are those of a wrong secret.
 *
 * @throws TenancyError as `ApiKeys.verify` and as `withTenant` (a suspended tenant, no connection, …)
 * @example
 * ```ts
 * import { randomBytes } from 'node:crypto'
 * import { authenticateApiKey, createApiKeyDirectory, createApiKeys } from '@org/crypto/api-keys'
 *
 * const apiKeys = createApiKeys({ peppers: [{ id: '2026-11', key: randomBytes(32).toString('hex') }] })
 * const directory = createApiKeyDirectory({ schema: 'keys_of_all' })
 * await adminPool.query('create schema keys_of_all')
 * await adminPool.query(directory.migration.sql)
 * await adminPool.query(`grant usage on schema keys_of_all to "${application}"`)
 * await adminPool.query(`grant select, insert, update, delete on keys_of_all.api_key_directory to "${application}"`)
 *
 * const { key } = await tenancy.withTenant('acme', async (db) => {
 *   const made = await apiKeys.create(db, { name: 'erp', profile: 'read-only' })
 *   await directory.add(pool, made.record.keyId, db.tenant)
 *   return made
 * })
 * const who = await authenticateApiKey({ apiKeys, directory, control: pool, withTenant: tenancy.withTenant }, key)
 * who.tenant // → 'acme'
 * ```
 */
export async function authenticateApiKey(options: AuthenticateOptions, text: unknown): Promise<ServiceActor> {
  requireKnownOptions(options, NAMES)
  const { apiKeys, directory, control, withTenant } = options
  const tenant = await directory.find(control, apiKeys.keyIdOf(text))
  if (tenant === undefined) return apiKeys.refuse(text)
  return withTenant(tenant, (db) => apiKeys.verify(db, text))
}
