import type { Queryable, TenantKey, TenantQueryable } from '@org/core'
import type { Tenancy, TenantDb } from '@org/pg-tenant'
import { type AnyIn, type Equal, expectType } from '@org/pg-testing/expect-type'
import type * as apiKeyTypes from '../../src/api-keys/index.ts'
import {
  type ApiKeyDirectory,
  type ApiKeyOptions,
  type ApiKeyRecord,
  type ApiKeys,
  authenticateApiKey,
  createApiKeys,
  type IssuedApiKey,
  type NewApiKey,
  type parseApiKey,
  type ServiceActor,
} from '../../src/api-keys/index.ts'

declare const apiKeys: ApiKeys
declare const directory: ApiKeyDirectory
declare const db: TenantDb
declare const pool: Queryable
declare const tenancy: Tenancy
const peppers = [{ id: 'p1', key: 'k' }]

interface Types {
  ApiKeyOptions: ApiKeyOptions
  ApiKeyRecord: ApiKeyRecord
  ApiKeys: ApiKeys
  IssuedApiKey: IssuedApiKey
  NewApiKey: NewApiKey
  ServiceActor: ServiceActor
  Directory: ApiKeyDirectory
  RotateOptions: apiKeyTypes.RotateOptions
}
/** Without what TypeScript itself declares: `Date.toJSON(key?: any)`, a RegExp, and the bytes of a pepper. */
type Foreign =
  | `${string}.toJSON(0)`
  | `.apiKeyPattern()${string}`
  | `${string}.peppers[].key${string}`
  | `.createApiKeys(0)${string}`
type Ours<Path> = Exclude<Path, Foreign>
expectType<Equal<Ours<AnyIn<typeof apiKeyTypes>>, never>>(true)
expectType<Equal<Ours<AnyIn<Types>>, never>>(true)
expectType<
  Equal<
    keyof typeof apiKeyTypes,
    | 'API_KEYS_MIGRATION'
    | 'apiKeyPattern'
    | 'authenticateApiKey'
    | 'createApiKeyDirectory'
    | 'createApiKeys'
    | 'parseApiKey'
  >
>(true)
expectType<Equal<apiKeyTypes.Pepper, { readonly id: string; readonly key: string | Uint8Array }>>(true)
expectType<Equal<ReturnType<typeof createApiKeys>, ApiKeys>>(true)
// Neither a secret nor a hash can be read from what is shown or parsed.
expectType<Equal<Extract<keyof ApiKeyRecord, 'hash' | 'secret' | 'key' | 'pepperId'>, never>>(true)
expectType<Equal<keyof ReturnType<typeof parseApiKey>, 'prefix' | 'env' | 'keyId'>>(true)

export async function uses(): Promise<void> {
  const { key, record } = await apiKeys.create(db, { name: 'ci', profile: 'read-only' })
  await apiKeys.create(db, { name: 'ci', actions: ['orders.read'], expiresAt: new Date() })
  const actor = await apiKeys.verify(db, key)
  expectType<Equal<typeof actor.type, 'service'>>(true)
  expectType<Equal<typeof actor.tenant, TenantKey>>(true)
  await apiKeys.rotate(db, record.id, { overlap: 3_600, expiresAt: null })
  await authenticateApiKey({ apiKeys, directory, control: pool, withTenant: tenancy.withTenant }, key)
  // What comes from a request need not be text.
  apiKeys.keyIdOf(['a', 'b'])
}

export async function misuses(plain: TenantQueryable): Promise<void> {
  // @ts-expect-error peppers are needed
  createApiKeys({})
  // @ts-expect-error a key works live or in tests
  createApiKeys({ peppers, env: 'prod' })
  // @ts-expect-error a hash there is not
  createApiKeys({ peppers, hash: 'sha-256' })
  // @ts-expect-error a pool names no tenant
  await apiKeys.verify(pool, 'key')
  // @ts-expect-error rights are needed
  await apiKeys.create(plain, { name: 'ci' })
  // @ts-expect-error a profile or actions, never both
  await apiKeys.create(plain, { name: 'ci', profile: 'write', actions: ['orders.read'] })
  // @ts-expect-error a profile there is not
  await apiKeys.create(plain, { name: 'ci', profile: 'root' })
  // @ts-expect-error the key's text is given once, a record does not have it
  ;(await apiKeys.get(plain, 'id')).key
  // @ts-expect-error the directory wants a checked tenant
  await directory.add(pool, 'id', 'acme')
}
