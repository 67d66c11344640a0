import {
  integerField,
  invalidField,
  invalidOption,
  TenancyError,
  type TenantQueryable,
  unknownOption,
} from '@org/core'
import type { Envelopes, EnvelopesOf } from '../envelope/envelopes.ts'
import type { SealedTable } from '../envelope/sealed-table.ts'
import { isEnvelopes, requireDb } from '../settings/options.ts'
import { dataOf, instant, nameOf, version } from './input.ts'
import { CREDENTIAL_TABLE } from './migration.ts'
import { LIST, READ, REMOVE, WRITE, WRITE_IF_ABSENT, WRITE_IF_UNCHANGED } from './sql.ts'

/** What is known of a credential without opening it. */
export interface CredentialFacts {
  readonly provider: string
  readonly name: string
  /** ISO 8601 in UTC, to the microsecond; `null`: it does not expire. */
  readonly expiresAt: string | null
  /** Whether that is past, by the database's clock. */
  readonly expired: boolean
  /** Its version: changes with every write, not when it is sealed anew. */
  readonly updatedAt: string
}

/** A credential, opened. */
export interface IntegrationCredential extends CredentialFacts {
  readonly data: Readonly<Record<string, unknown>>
}

/** What is stored. */
export interface NewCredential {
  /** `[a-z][a-z0-9_.-]*`, up to 100 characters: `stripe`, `google.calendar`. */
  readonly provider: string
  /** Tells several of one provider apart (default `default`); the same characters. */
  readonly name?: string | undefined
  /** An object that JSON can hold, at most 64 KiB: keys, tokens, client secrets. Sealed whole. */
  readonly data: Readonly<Record<string, unknown>>
  /** A Date or ISO 8601 (default: it does not expire). */
  readonly expiresAt?: Date | string | null | undefined
}

/** Options of a write. */
export interface CredentialWrite {
  /** Only if its `updatedAt` still is this; `null`: only if there is none. */
  readonly ifUpdatedAt?: string | null | undefined
}

/** A tenant's credentials for services of others. Made by {@link integrationCredentials}. */
export interface IntegrationCredentials {
  /** For `rotate({ tables })` and `keysInUse`. */
  readonly table: SealedTable
  /**
   * Stores one, sealed for this tenant, provider and name: copied anywhere else it does not open.
   *
   * @throws TenancyError VALIDATION_ERROR with `details.field`; CONFLICT with `details.reason` `exists` or `changed`; KEY_MISSING
   */
  put(db: TenantQueryable, credential: NewCredential, write?: CredentialWrite): Promise<CredentialFacts>
  /**
   * One, opened; expired ones too: `expired` says so, and a refresh token may be in it.
   *
   * @throws TenancyError VALIDATION_ERROR; ENVELOPE_UNREADABLE, KEY_MISSING
   */
  get(db: TenantQueryable, provider: string, name?: string): Promise<IntegrationCredential | undefined>
  /** All there are by provider and name, none of them opened. @throws TenancyError VALIDATION_ERROR */
  list(db: TenantQueryable, filter?: CredentialFilter): Promise<CredentialFacts[]>
  /** @returns whether there was one. @throws TenancyError VALIDATION_ERROR; CONFLICT when it was changed meanwhile */
  remove(
    db: TenantQueryable,
    provider: string,
    name?: string,
    write?: { readonly ifUpdatedAt?: string | undefined },
  ): Promise<boolean>
}

/** Which credentials. */
export interface CredentialFilter {
  readonly provider?: string | undefined
  /** Those that expire before this moment: what has to be renewed. */
  readonly expiresBefore?: Date | string | undefined
  /** The last one of the page before. */
  readonly after?: { readonly provider: string; readonly name: string } | undefined
  /** 1 to 1,000 (default 100). */
  readonly limit?: number | undefined
}

/** @throws TenancyError INVALID_OPTION */
function parse(options: { readonly secrets: Envelopes | EnvelopesOf }): Envelopes | EnvelopesOf {
  if (typeof options !== 'object' || options === null)
    throw invalidOption('options', 'an object with secrets')
  for (const option of Object.keys(options))
    if (option !== 'secrets') throw unknownOption(option, ['secrets'])
  if (!isEnvelopes(options.secrets))
    throw invalidOption('secrets', 'a key ring (seal, open, …) or a function that finds one for a tenant')
  return options.secrets
}

const placeName = (provider: string, name: string) => JSON.stringify([provider, name])

/**
 * Credentials for services of others, sealed under the key ring or under each tenant's own data key, and bound to their
 * place. The table comes from `integrationsMigration` (level `row`: `integrationsRowMigration`); under a new key they are sealed
 * by `rotate({ tables: [credentials.table], … })`, while everything goes on.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { integrationCredentials, keyRingFromEnv } from '@org/crypto'
 *
 * // integrationsMigration is one of the tenancy's migrations.
 * const credentials = integrationCredentials({ secrets: keyRingFromEnv() })
 * await tenancy.withTenant('acme', async (db) => {
 *   await credentials.put(db, { provider: 'stripe', data: { key: 'sk_live_7' } })
 *   const stripe = await credentials.get(db, 'stripe')
 *   console.log(stripe?.updatedAt)
 * })
 * ```
 */
export function integrationCredentials(options: {
  readonly secrets: Envelopes | EnvelopesOf
}): IntegrationCredentials {
  const secrets = parse(options)
  const envelopesOf = async (db: TenantQueryable) =>
    typeof secrets === 'function' ? await secrets(db.tenant) : secrets
  const placeOf = (db: TenantQueryable, provider: string, name: string) => ({
    tenant: db.tenant,
    table: CREDENTIAL_TABLE,
    name: placeName(provider, name),
  })
  return Object.freeze({
    table: Object.freeze({
      table: CREDENTIAL_TABLE,
      key: ['provider', 'name'],
      value: 'sealed',
      nameOf: (provider = '', name = '') => placeName(provider, name),
    }),
    put: async (db, credential, { ifUpdatedAt } = {}) => {
      requireDb(db)
      if (typeof credential !== 'object' || credential === null) throw invalidField('credential', 'an object')
      const [provider, name] = [nameOf(credential.provider, 'provider'), nameOf(credential.name, 'name')]
      const data = dataOf(credential.data)
      const expected = version(ifUpdatedAt)
      const expires = instant(credential.expiresAt, 'expiresAt')
      const sealed = (await envelopesOf(db)).seal(data, placeOf(db, provider, name))
      const text = expected === undefined ? WRITE : expected === null ? WRITE_IF_ABSENT : WRITE_IF_UNCHANGED
      const values = [provider, name, sealed, expires, ...(typeof expected === 'string' ? [expected] : [])]
      const [stored] = (await db.query<CredentialFacts>(text, values)).rows
      if (stored === undefined) throw conflict(expected === null ? 'exists' : 'changed')
      return stored
    },
    get: async (db, provider, name) => {
      requireDb(db)
      const key = [nameOf(provider, 'provider'), nameOf(name, 'name')] as const
      const [stored] = (await db.query<CredentialFacts & { sealed: string }>(READ, key)).rows
      if (stored === undefined) return undefined
      const { sealed, ...facts } = stored
      return { ...facts, data: JSON.parse((await envelopesOf(db)).open(sealed, placeOf(db, ...key))) }
    },
    list: async (db, { provider, expiresBefore, after, limit = 100 } = {}) => {
      requireDb(db)
      integerField('limit', limit, 1, 1_000)
      const values = [
        provider === undefined ? null : nameOf(provider, 'provider'),
        instant(expiresBefore, 'expiresBefore'),
        after === undefined ? null : nameOf(after.provider, 'after'),
        after === undefined ? null : nameOf(after.name, 'after'),
        limit,
      ]
      return (await db.query<CredentialFacts>(LIST, values)).rows
    },
    remove: async (db, provider, name, { ifUpdatedAt } = {}) => {
      requireDb(db)
      const expected = version(ifUpdatedAt) ?? null
      const values = [nameOf(provider, 'provider'), nameOf(name, 'name'), expected]
      const gone = ((await db.query(REMOVE, values)).rowCount ?? 0) > 0
      if (!gone && expected !== null) throw conflict('changed')
      return gone
    },
  } satisfies IntegrationCredentials)
}

function conflict(reason: 'exists' | 'changed'): TenancyError {
  const what =
    reason === 'exists' ? 'There is such a credential already' : 'The credential was changed or removed'
  return new TenancyError('CONFLICT', `${what}. Read it again, then decide.`, { details: { reason } })
}
