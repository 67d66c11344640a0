import { integerOption, invalidOption } from '@org/core'
import pg from 'pg'
import { blockOf } from '../scope/handle.ts'
import { openWithin } from '../scope/open-scope.ts'
import type { ScopeOptions } from '../scope/options.ts'
import { asOfNow } from '../scope/statement.ts'
import type { TenantDb } from '../scope/tenant-db.ts'
import type { Extent } from '../scope/types/decoding.ts'
import type { ErrorStyle } from './errors.ts'
import type { Reach } from './reach.ts'
import { RunningClients } from './running.ts'
import { TenantClient } from './tenant-client.ts'

/** Options of a tenant's pool. Those of scopes hold for every transaction of it. */
export interface TenantPoolOptions extends ScopeOptions {
  /** How many of its clients may be checked out at once, 1 to 1,000 (default 10). They hold no connection while they idle. */
  readonly max?: number
  /**
   * How errors look: `safe` (default) leaves out what can hold a value, `pg` has it all. In both they are
   * `pg.DatabaseError` with SQLSTATE, constraint, table and column, the `TenancyError` as `cause`.
   */
  readonly errors?: ErrorStyle
  /**
   * Which of the tenant's own types are read: `named` (default) those of the tenancy's `types`, with the rest as `pg` gives it,
   * because TypeORM and Prisma read arrays of enums themselves; `all` as `tenancy.query` does.
   */
  readonly ownTypes?: Extent
}

/** `pg`, bound to one tenant: for libraries that want the module rather than a pool. */
export type TenantPg = Omit<typeof pg, 'Pool' | 'Client' | 'native'> & {
  readonly Pool: typeof pg.Pool
  readonly Client: typeof pg.Client
}

/** Checks what belongs to the pool; the rest are options of its scopes. @throws TenancyError INVALID_OPTION */
export function parsePoolOptions(options: TenantPoolOptions): {
  readonly max: number
  readonly errors: ErrorStyle
  readonly ownTypes: Extent
  readonly scope: ScopeOptions
} {
  if (typeof options !== 'object' || options === null) throw invalidOption('options', 'an object')
  const { max = 10, errors = 'safe', ownTypes = 'named', ...scope } = options
  integerOption('max', max, 1, 1_000)
  if (errors !== 'safe' && errors !== 'pg') throw invalidOption('errors', '"safe" or "pg"')
  if (ownTypes !== 'named' && ownTypes !== 'all') throw invalidOption('ownTypes', '"named" or "all"')
  return { max, errors, ownTypes, scope }
}

/** How what the server answers is shown. */
interface Shown {
  readonly errors: ErrorStyle
  readonly ownTypes: Extent
}

/** A `pg.Pool` whose clients are one tenant's, for good. */
export function tenantPool(
  tenant: string,
  reach: Reach,
  { max, ...shown }: { max: number } & Shown,
): pg.Pool {
  const { Pool } = tenantPg(tenant, reach, shown)
  return new Pool({ max })
}

/** The module `pg` with `Pool` and `Client` bound to the tenant. */
export function tenantPg(tenant: string, reach: Reach, { errors, ownTypes }: Shown): TenantPg {
  const running = new RunningClients()
  class Client extends TenantClient {
    constructor(config?: unknown) {
      super(
        { reach, errors, ownTypes, tenant, running },
        typeof config === 'object' && config !== null ? config : {},
      )
    }
  }
  class Pool extends pg.Pool {
    constructor(config: pg.PoolConfig = {}) {
      const { max, min, idleTimeoutMillis, connectionTimeoutMillis, allowExitOnIdle = true } = config
      const kept = { max, min, idleTimeoutMillis, connectionTimeoutMillis, allowExitOnIdle }
      super({
        ...Object.fromEntries(Object.entries(kept).filter(([, value]) => value !== undefined)),
        Client: Client as never,
      })
      // Somebody who gives a client back inside a transaction has it rolled back, before anybody else gets the client.
      this.on('release', (_error, client: object) => client instanceof TenantClient && void client.reset())
    }

    /** Waits for a client with the values of this moment. */
    override query(...args: never[]): never {
      const [query, values, callback] = args as unknown[]
      const { values: own } = (query ?? {}) as { readonly values?: unknown }
      const [given, done] = typeof values === 'function' ? [own, values] : [values ?? own, callback]
      return super.query(query as never, asOfNow(given) as never, done as never) as never
    }
  }
  const { native: _, ...rest } = Object.getOwnPropertyDescriptors(pg)
  const bound = Object.defineProperties({}, rest) as TenantPg
  return Object.assign(bound, { Pool, Client: Client as never })
}

/**
 * A `pg.Pool` of one client over an open scope, for a library inside `withTenant`: its BEGIN is a savepoint of the scope, its
 * statements take effect when the scope commits. Dead when the scope ends.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { scopePool } from '@org/pg-tenant'
 * import { Kysely, PostgresDialect } from 'kysely'
 *
 * interface Database {
 *   notes: { body: string }
 * }
 * await tenancy.withTenant('acme', async (db) => {
 *   const kysely = new Kysely<Database>({ dialect: new PostgresDialect({ pool: scopePool(db) }) })
 *   await kysely.insertInto('notes').values({ body: 'hi' }).execute()
 * })
 * ```
 */
export function scopePool(db: TenantDb, { errors }: { readonly errors?: ErrorStyle } = {}): pg.Pool {
  const options = parsePoolOptions({ max: 1, ...(errors && { errors }) })
  blockOf(db)
  const reach = {
    once: (query: Parameters<TenantDb['query']>[0]) => db.query(query as never),
    open: () => openWithin(db),
  }
  return tenantPool(db.tenant, reach, options)
}
