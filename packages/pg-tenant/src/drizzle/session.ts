import type { ExtractTablesWithRelations, Logger } from 'drizzle-orm'
import {
  type NodePgClient,
  NodePgPreparedQuery,
  NodePgSession,
  NodePgTransaction,
} from 'drizzle-orm/node-postgres'
import type {
  PgDialect,
  PgPreparedQuery,
  PgTransactionConfig,
  PreparedQueryConfig,
} from 'drizzle-orm/pg-core'
import type { TenantDb } from '../scope/tenant-db.ts'
import { cacheRefused, refuseMode } from './options.ts'
import type { RelationalConfig } from './relational-config.ts'
import { answered, withoutParameters } from './without-parameters.ts'

// What this stands on in drizzle-orm, all of it exported and the same from 0.44.0 to 0.45.4:
// - NodePgSession builds its queries in prepareQuery, and they call `client.query(config, params)` and nothing else;
// - everything that runs goes through prepareQuery or transaction of the session;
// - NodePgTransaction takes (dialect, session, schema, nestedIndex).
// Statements, type parsers and mapping of rows stay those of drizzle-orm/node-postgres, so results are the same.

/** The parameters as drizzle-orm declares them, so that a version that adds one gets it through. */
type PrepareQuery<T extends PreparedQueryConfig> = Parameters<typeof NodePgSession.prototype.prepareQuery<T>>

/** What makes a session over a handle. */
export interface SessionParts<TSchema extends Record<string, unknown>> {
  readonly dialect: PgDialect
  readonly relational: RelationalConfig<TSchema> | undefined
  readonly logger: Logger | undefined
}

/** Drizzle's session over a tenant's handle: its transactions are savepoints (hazard t), its cache is refused. */
export class TenantSession<TSchema extends Record<string, unknown>> extends NodePgSession<
  TSchema,
  ExtractTablesWithRelations<TSchema>
> {
  readonly #db: TenantDb
  readonly #parts: SessionParts<TSchema>

  constructor(db: TenantDb, parts: SessionParts<TSchema>) {
    const { dialect, relational, logger } = parts
    // Of a client only `query` is called, and the handle has it. There is no cache: the default keeps nothing.
    super(db as TenantDb & NodePgClient, dialect, relational, logger ? { logger } : {})
    this.#db = db
    this.#parts = parts
  }

  override prepareQuery<T extends PreparedQueryConfig = PreparedQueryConfig>(
    ...args: PrepareQuery<T>
  ): PgPreparedQuery<T> {
    const cacheConfig = args[6]
    if (cacheConfig?.enable) throw cacheRefused()
    const prepared = super.prepareQuery<T>(...args)
    const execute = prepared.execute.bind(prepared)
    prepared.execute = (values) => withoutParameters(() => execute(values))
    if (prepared instanceof NodePgPreparedQuery) {
      const all = prepared.all.bind(prepared)
      prepared.all = (values) => withoutParameters(() => all(values))
    }
    return prepared
  }

  /** @throws TenancyError INVALID_OPTION when a mode is asked for */
  override transaction<T>(
    fn: (tx: NodePgTransaction<TSchema, ExtractTablesWithRelations<TSchema>>) => Promise<T>,
    config?: PgTransactionConfig,
    depth = 0,
  ): Promise<T> {
    return answered(async () => {
      refuseMode(config)
      return await this.#db.savepoint((inner) =>
        fn(new TenantTransaction(new TenantSession(inner, this.#parts), this.#parts, depth)),
      )
    })
  }
}

/** What `transaction(fn)` hands to `fn`: the database of one savepoint. */
class TenantTransaction<TSchema extends Record<string, unknown>> extends NodePgTransaction<
  TSchema,
  ExtractTablesWithRelations<TSchema>
> {
  readonly #session: TenantSession<TSchema>

  constructor(
    session: TenantSession<TSchema>,
    { dialect, relational }: SessionParts<TSchema>,
    depth: number,
  ) {
    super(dialect, session, relational, depth)
    this.#session = session
  }

  override transaction<T>(
    fn: (tx: NodePgTransaction<TSchema, ExtractTablesWithRelations<TSchema>>) => Promise<T>,
    config?: PgTransactionConfig,
  ): Promise<T> {
    return this.#session.transaction(fn, config, this.nestedIndex + 1)
  }

  override async setTransaction(config: PgTransactionConfig): Promise<void> {
    refuseMode(config)
  }
}
