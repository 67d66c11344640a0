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
 */
export async function authenticateApiKey(options: AuthenticateOptions, text: unknown): Promise<ServiceActor> {
  requireKnownOptions(options, NAMES)
  const { apiKeys, directory, control, withTenant } = options
  const tenant = await directory.find(control, apiKeys.keyIdOf(text))
  if (tenant === undefined) return apiKeys.refuse(text)
  return withTenant(tenant, (db) => apiKeys.verify(db, text))
}
