import type { Queryable } from '@org/core'
import { type AnyIn, type Equal, expectType } from '@org/pg-testing/expect-type'
import type { EnvelopeFacts, Envelopes, EnvelopesOf } from '../../src/envelope/envelopes.ts'
import { createDataKeys, type DataKeyOptions, type DataKeys } from '../../src/keys/data-keys.ts'
import { type KeyRing, type KeyRingOptions, keyRing, keyRingFromEnv } from '../../src/keys/key-ring.ts'
import { type KeyWrapper, localWrapper } from '../../src/keys/key-wrapper.ts'
import { dataKeyMigration } from '../../src/keys/sql.ts'
import { type VaultOptions, vaultTransit } from '../../src/vault/index.ts'

/** Never called: it compiles. */
export function surface(db: Queryable): void {
  const ring = keyRing({ key: 'k', retired: ['r'], format: 'v2', acceptUnbound: true })
  expectType<Equal<typeof ring, KeyRing>>(true)
  expectType<Equal<ReturnType<typeof ring.examine>, EnvelopeFacts>>(true)
  const plain: Envelopes = keyRingFromEnv()
  const keys = createDataKeys({ db, wrapper: localWrapper(plain), schema: 'control' })
  const anyTenant: EnvelopesOf = () => ring
  const each: EnvelopesOf = keys.forTenant
  expectType<Equal<typeof keys, DataKeys>>(true)
  expectType<Equal<ReturnType<typeof vaultTransit>, KeyWrapper>>(true)
  void [anyTenant, each, dataKeyMigration({ schema: 'control' }).sql]

  // @ts-expect-error a ring has a key
  keyRing({ retired: ['r'] })
  // @ts-expect-error another format
  keyRing({ key: 'k', format: 'v3' })
  // @ts-expect-error a place has a tenant
  ring.seal('text', { table: 't', name: 'n' })
  // @ts-expect-error the place is not optional
  ring.open('text')
  // @ts-expect-error a token is asked for, not kept
  vaultTransit({ address: 'https://vault', key: 'k', token: 'hvs.x' })
  // @ts-expect-error no wrapper, no keys
  createDataKeys({ db })
}

/** What has no byte arrays in it, whose own types say `any` here and there. */
interface Surface {
  EnvelopeFacts: EnvelopeFacts
  KeyRingOptions: KeyRingOptions
  DataKeyOptions: Omit<DataKeyOptions, 'wrapper'>
  DataKeys: Omit<DataKeys, 'forTenant'>
  VaultOptions: Omit<VaultOptions, 'fetch'>
}
expectType<Equal<AnyIn<Surface>, never>>(true)
expectType<Equal<Parameters<KeyRing['seal']>[0], string | Uint8Array>>(true)
