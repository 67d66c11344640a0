import { crossTenant, type Row, runWithTenant, type TenantKey, tryCurrentTenant } from '@org/core'
import { keyFor, schemaOf } from '../isolation/names.ts'
import type { Reach } from '../pool/reach.ts'
import { LockHolders, Turns } from '../pool/running.ts'
import { parsePoolOptions, type TenantPoolOptions, tenantPg, tenantPool } from '../pool/tenant-pool.ts'
import type { Block } from '../scope/block.ts'
import { createHandle, join, nest } from '../scope/handle.ts'
import { type OpenScope, openScope, openWithin } from '../scope/open-scope.ts'
import { parseScopeOptions, type ScopeOptions } from '../scope/options.ts'
import { requireCallback } from '../scope/refuse.ts'
import type { QueryResult } from '../scope/result.ts'
import { runBlock, runOneShot, runScope } from '../scope/run-scope.ts'
import { type QueryConfig, type Statement, toStatement } from '../scope/statement.ts'
import type { TenantDb } from '../scope/tenant-db.ts'
import { enclosing, enter, requireSameMode } from './enter.ts'
import type { Ground } from './ground.ts'
import type { Tenancy } from './interface.ts'

/** What requests call: all that a server loads before an administrator comes. */
export type Requests = Pick<
  Tenancy,
  'withTenant' | 'query' | 'open' | 'pool' | 'pg' | 'schemaOf' | 'find' | 'lookup'
>

export function requestsOf(ground: Ground): Requests {
  const { identity, naming, defaults, lookups, open, gate } = ground
  const { isolation } = open
  /** Nothing to wait for when the tenant is known to be recent enough. */
  const askVersion = (tenant: TenantKey): Promise<void> | undefined => {
    if (!gate) return undefined
    lookups.start()
    return gate.assertVersion(tenant)
  }
  const entry = { ...ground, askVersion }
  const query = (
    key: string,
    query: string | QueryConfig,
    values?: readonly unknown[],
    scope?: ScopeOptions,
  ): Promise<QueryResult<Row>> => {
    let statement: Statement
    return enter<QueryResult<Row>>(entry, key, scope, {
      kind: 'query',
      check: () => {
        statement = toStatement(query, values)
      },
      join: (outer) => join<Row>(outer, statement),
      open: (tenant, settings, trace) => {
        const current = tryCurrentTenant()
        if (current !== undefined && current !== tenant) throw crossTenant()
        if (!settings.signal) return runOneShot<Row>(isolation, tenant, statement, settings, trace)
        const body = (block: Block) => join<Row>(block, statement)
        return runBlock(identity, isolation, tenant, body, settings, trace)
      },
    })
  }
  const openByHand = (key: string, scope?: ScopeOptions): OpenScope => {
    const tenant = keyFor(naming, key)
    const settings = parseScopeOptions(scope, defaults)
    const outer = enclosing(identity, tenant)
    if (!outer) return openScope(identity, isolation, tenant, settings)
    requireSameMode(settings, outer)
    return openWithin(createHandle(outer))
  }
  const openSeparate = (key: string, scope?: ScopeOptions): OpenScope | undefined => {
    const tenant = keyFor(naming, key)
    if (enclosing(identity, tenant)) return undefined
    return openScope(identity, isolation, tenant, parseScopeOptions(scope, defaults))
  }
  const holders = new LockHolders(open.connections ?? connectionsOf(ground.pool))
  /** What a tenant's pool runs, it runs through these. */
  const reachOf = (key: string, scope: ScopeOptions): Reach => {
    const { connectionTimeout, statementTimeout, lockTimeout } = parseScopeOptions(scope, defaults)
    const both = (mode: ScopeOptions): ScopeOptions => {
      const signals = [scope.signal, mode.signal].filter((signal) => signal !== undefined)
      const [first] = signals
      return {
        ...scope,
        ...mode,
        ...(first && { signal: signals.length > 1 ? AbortSignal.any(signals) : first }),
      }
    }
    return {
      once: (one, signal) => query(key, one, undefined, signal ? both({ signal }) : scope),
      open: (mode) => openByHand(key, both(mode)),
      turns: new Turns(),
      // As long as a connection takes at most, and whoever is in front has to get its lock.
      patience: connectionTimeout + Math.min(statementTimeout || NEVER, lockTimeout || NEVER),
      hold: (waitMs) => holders.take(Math.min(waitMs, connectionTimeout)),
      openSeparate: (mode) => openSeparate(key, both(mode)),
    }
  }
  return {
    withTenant: <T>(key: string, fn: (db: TenantDb) => Promise<T>, scope?: ScopeOptions): Promise<T> =>
      enter(entry, key, scope, {
        kind: 'callback',
        join: (outer) => nest(outer, fn),
        check: () => requireCallback(fn),
        open: (tenant, settings, trace) =>
          runWithTenant(tenant, () => runScope(identity, isolation, tenant, fn, settings, trace)),
      }),
    query: query as Requests['query'],
    open: openByHand,
    pool: (key: string, options: TenantPoolOptions = {}) => {
      const parsed = parsePoolOptions(options)
      return tenantPool(keyFor(naming, key), reachOf(key, parsed.scope), parsed)
    },
    pg: (key: string, options: TenantPoolOptions = {}) => {
      const { scope, ...shown } = parsePoolOptions(options)
      return tenantPg(keyFor(naming, key), reachOf(key, scope), shown)
    },
    schemaOf: (key: string) => {
      const tenant = keyFor(naming, key)
      return open.row?.schema ?? schemaOf(naming, tenant)
    },
    find: async (key: string) => {
      const tenant = keyFor(naming, key)
      return (await import('../registry/read.ts')).find(ground.pool, ground.registry, tenant)
    },
    lookup: async (key: string) => {
      const tenant = keyFor(naming, key)
      lookups.start()
      return lookups.lookup(tenant)
    },
  }
}

const NEVER = Number.POSITIVE_INFINITY

/** How many a pool of `pg` makes at most; one of another kind is taken for such. */
function connectionsOf(pool: object): number {
  const { options } = pool as { readonly options?: { readonly max?: unknown } }
  return typeof options?.max === 'number' ? options.max : 10
}
