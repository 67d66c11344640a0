import {
  invalidField,
  invalidOption,
  type OptionNames,
  requireKnownOptions,
  type TenantKey,
  type TenantQueryable,
} from '@org/core'
import { LRUCache } from 'lru-cache'
import { type DeniedReader, type DeniedTable, type DenylistOptions, deniedTable } from './denied-table.ts'
import { identifier, numberOption } from './options.ts'
import { CLEAN_DENIED, DENY } from './sql.ts'
import type { DenylistReader } from './verifier-options.ts'

/** An access token to deny; what `verify` returned, or what a revocation of refresh tokens lists. */
export interface DeniableToken {
  readonly jti: string
  /** seconds since 1970; the token needs no denying after it */
  readonly exp: number
}

/** The access tokens of every tenant that were revoked before they ran out. */
export interface Denylist extends DenylistReader {
  /**
   * Denies access tokens, inside the caller's transaction. In this process it holds at once, even before the
   * transaction commits and also if it rolls back; elsewhere within `maxStaleness` of the commit.
   *
   * @throws TenancyError VALIDATION_ERROR
   */
  deny(db: TenantQueryable, tokens: DeniableToken | readonly DeniableToken[]): Promise<void>
  /**
   * @throws TenancyError SERVICE_UNAVAILABLE when the table could not be read for longer than `maxStaleness`; what
   *   opening the scope says about the tenant itself (status below 500, e.g. TENANT_SUSPENDED) is passed on
   */
  isDenied(tenant: TenantKey, jti: string): boolean | Promise<boolean>
  /**
   * Removes a batch of denials that are past their time.
   *
   * @param options.limit how many at most (default 1,000)
   * @returns `done` is false when there may be more
   */
  cleanUp(
    db: TenantQueryable,
    options?: { readonly limit?: number },
  ): Promise<{ readonly deleted: number; readonly done: boolean }>
}

/** Verifiers accept a token up to a minute after `exp`; the rest is for clocks of application and database that differ. */
const MARGIN = 300
/** No verifier accepts a token longer than a day after `iat`; an `exp` in the year 9999 is not worth a row until then. */
const LONGEST = 31_622_400
/** Denials of this process that it must know before others read them. About 150 bytes each. */
const MAX_OWN = 100_000

const CREATE_DENYLIST_OPTIONS: OptionNames<DenylistOptions> = {
  tenants: true,
  scope: true,
  check: true,
  maxStaleness: true,
  whenUnreadable: true,
  timeout: true,
  maxTenants: true,
  maxEntries: true,
  monotonicClock: true,
}

/**
 * @throws TenancyError INVALID_OPTION
 *
 * @example
 * ```ts
 * import { createDenylist } from '@org/crypto/tokens'
 *
 * // DENIED_JTI_MIGRATION is one of the tenancy's migrations.
 * const denylist = createDenylist({ tenants: tenancy })
 * const expiresAt = new Date(Date.now() + 900_000)
 * await tenancy.withTenant('acme', (db) => denylist.deny(db, { jti: 'a-token', exp: expiresAt.getTime() / 1000 }))
 * ```
 */
export function createDenylist(options: DenylistOptions): Denylist {
  requireKnownOptions(options, CREATE_DENYLIST_OPTIONS)
  const { check = 'snapshot', whenUnreadable = 'refuse' } = options
  if (check !== 'snapshot' && check !== 'database') throw invalidOption('check', '"snapshot" or "database"')
  if (whenUnreadable !== 'refuse' && whenUnreadable !== 'accept') {
    throw invalidOption('whenUnreadable', '"refuse" or "accept"')
  }
  const own = new LRUCache<string, true>({ max: MAX_OWN })
  const table: DeniedTable = deniedTable(options)
  const read: DeniedReader = check === 'database' ? table.ask : table.look
  const onUnreadable = (error: unknown): boolean => {
    if (whenUnreadable === 'accept' && (error as { status?: unknown }).status === 503) return false
    throw error
  }
  return {
    deny: async (db, tokens) => {
      const list = (Array.isArray(tokens) ? tokens : [tokens]).map(readToken)
      if (list.length === 0) return
      await db.query(DENY, [list.map(({ jti }) => jti), list.map(({ until }) => until)])
      for (const { jti } of list) own.set(`${db.tenant} ${jti}`, true)
    },
    isDenied: (tenant, jti) => {
      if (own.has(`${tenant} ${jti}`)) return true
      const denied = read(tenant, jti)
      return typeof denied === 'boolean' ? denied : denied.catch(onUnreadable)
    },
    cleanUp: async (db, { limit } = {}) => {
      const most = batchLimit(limit)
      const { rowCount } = await db.query(CLEAN_DENIED, [most])
      return { deleted: rowCount ?? 0, done: (rowCount ?? 0) < most }
    },
  }
}

/** @throws TenancyError INVALID_OPTION */
export function batchLimit(limit: number | undefined): number {
  return numberOption('limit', limit, { fallback: 1_000, min: 1, max: 100_000, unit: 'rows' })
}

function readToken(token: DeniableToken): { jti: string; until: number } {
  if (typeof token?.exp !== 'number' || !(token.exp > 0)) throw invalidField('exp', 'seconds since 1970')
  const longest = Date.now() / 1000 + LONGEST
  return { jti: identifier('jti', token.jti), until: Math.min(token.exp, longest) + MARGIN }
}
