import { EventEmitter } from 'node:events'
import pg, { type QueryConfig as PgQueryConfig } from 'pg'
import type { TypeParsers } from '../driver/type-parsers.ts'
import type { QueryResult } from '../scope/result.ts'
import { asOfNow, EXTENT, type QueryConfig } from '../scope/statement.ts'
import type { Extent } from '../scope/types/decoding.ts'
import { adopt, type Submittable } from './adopt.ts'
import type { TenantConnection } from './connection.ts'
import { asDatabaseError, type ErrorStyle } from './errors.ts'
import type { Reach } from './reach.ts'
import { inTime, type RunningClients } from './running.ts'

/** What makes clients: whose, how errors look. */
export interface ClientBinding {
  readonly reach: Reach
  readonly errors: ErrorStyle
  readonly ownTypes: Extent
  /** Named in what libraries show of a connection. */
  readonly tenant: string
  /** The tenant's clients that can be cancelled by their `processID`. */
  readonly running: RunningClients
}

type Callback = (error: unknown, result?: unknown) => void

/** What a query's object may have besides. */
interface Extras {
  readonly callback?: Callback
  readonly query_timeout?: number
}

/** A query as `pg` takes it in all its forms. */
type Query = string | (PgQueryConfig & Extras & { readonly rowMode?: string }) | Submittable

/**
 * Shaped like `pg.Client`, without a connection: every call becomes a scope of one tenant, or part of the one that its BEGIN
 * opened. Calls run one after the other, as on a wire.
 */
export class TenantClient extends EventEmitter {
  // What pg-pool and libraries look at.
  readonly host = ''
  readonly port = 0
  readonly user: string
  readonly database: string
  readonly ssl = false
  readonly secretKey = null
  readonly connectionParameters: { readonly user: string; readonly database: string }
  /** Some listen to what a connection says at its start; this one says nothing. */
  readonly connection: EventEmitter = new EventEmitter()
  _queryable = true
  _ending = false
  _connected = false
  /** Made with the first call, which loads its code. */
  #connection: TenantConnection | undefined
  readonly #binding: ClientBinding
  readonly #types: pg.TypeOverrides
  /** The client's parsers, in the form that queries take. */
  readonly #parsers: TypeParsers = {
    getTypeParser: (oid, format) => this.getTypeParser(oid, format) as (value: string) => unknown,
  }
  readonly #named = new Map<string, string>()
  readonly #timeout: number
  #overridden = false
  #processID: number | undefined
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0

  constructor(binding: ClientBinding, config: Pick<pg.ClientConfig, 'types' | 'query_timeout'> = {}) {
    super()
    this.#binding = binding
    this.user = binding.tenant
    this.database = binding.tenant
    this.connectionParameters = { user: binding.tenant, database: binding.tenant }
    this.#types = new pg.TypeOverrides(config.types)
    this.#overridden = config.types !== undefined
    this.#timeout = Number(config.query_timeout) || 0
  }

  connect(callback?: (error: unknown, client?: this) => void): Promise<this> | undefined {
    this._connected = true
    if (!callback) return Promise.resolve(this)
    process.nextTick(callback, null, this)
    return undefined
  }

  /**
   * A number that `pg_cancel_backend` and `pg_terminate_backend` of the same tenant's pool take, and the server knows nothing of. A
   * client that was asked for it may be cancelled from then on; a statement outside a transaction then costs a trip more.
   */
  get processID(): number {
    this.#processID ??= this.#binding.running.add({
      cancel: () => this.#connection?.cancel(),
      terminate: () => {
        this._queryable = false
        this.#connection?.cancel()
        this.end()
      },
    })
    if (this.#connection) this.#connection.cancellable = true
    return this.#processID
  }

  isConnected(): boolean {
    return this._connected
  }

  getTransactionStatus(): 'I' | 'T' | 'E' {
    return this.#connection?.status ?? 'I'
  }

  query(query: Query, values?: unknown, callback?: Callback): unknown {
    if (query === null || query === undefined)
      throw new TypeError('Client was passed a null or undefined query')
    if (typeof query === 'object' && 'submit' in query && typeof query.submit === 'function') {
      if (
        adopt(
          query,
          {
            within: async (work) => (await this.#open()).within(work),
            extent: this.#binding.ownTypes,
          },
          (job) => this.#enqueue(job),
          (error) => this.#shown(error),
        )
      )
        return query
      return this.#runQueryObject(query, typeof values === 'function' ? (values as Callback) : callback)
    }
    const config = (typeof query === 'string' ? { text: query } : query) as PgQueryConfig & Extras
    const done = callback ?? (typeof values === 'function' ? (values as Callback) : config.callback)
    const given = asOfNow(typeof values === 'function' ? config.values : (values ?? config.values))
    const timeout = config.query_timeout ?? this.#timeout
    const run = () =>
      inTime(
        timeout,
        () => this.#open(),
        () => this.#run(config, given),
      )
    const result = this.#enqueue(run).catch((error: unknown) => {
      throw this.#shown(error)
    })
    if (!done) return result
    result.then(
      (value) => done(null, value),
      (error) => done(error),
    )
    return undefined
  }

  end(callback?: () => void): Promise<void> | undefined {
    this._ending = true
    if (this.#processID !== undefined) this.#binding.running.remove(this.#processID)
    const ended = this.#last.then(async () => {
      await this.#connection?.end()
      this._connected = false
      this._queryable = false
      this.emit('end')
    })
    if (!callback) return ended
    ended.then(() => callback())
    return undefined
  }

  /** What was open when a client goes back to its pool is rolled back: nobody else gets into somebody's transaction. */
  async reset(): Promise<void> {
    await this.#enqueue(async () => this.#connection?.reset())
  }

  get busy(): boolean {
    return this.#waiting > 0
  }

  setTypeParser(...args: Parameters<pg.TypeOverrides['setTypeParser']>): void {
    this.#overridden = true
    this.#types.setTypeParser(...args)
  }

  getTypeParser(oid: number, format?: 'text' | 'binary'): unknown {
    return this.#types.getTypeParser(oid, format as 'text')
  }

  escapeIdentifier(text: string): string {
    return pg.escapeIdentifier(text)
  }

  escapeLiteral(text: string): string {
    return pg.escapeLiteral(text)
  }

  ref(): void {}
  unref(): void {}

  async #run(config: PgQueryConfig, values: unknown[] | undefined): Promise<QueryResult | QueryResult[]> {
    const { text, name, rowMode, types } = config as PgQueryConfig & {
      rowMode?: 'array' | null
      types?: QueryConfig['types']
    }
    if (this.#binding.running.obey(text, values)) return ANSWERED
    const connection = await this.#open()
    const parsers = types ?? (this.#overridden ? this.#parsers : undefined)
    const rest = {
      ...(rowMode === 'array' && { rowMode }),
      ...(parsers && { types: parsers }),
      [EXTENT]: this.#binding.ownTypes,
    }
    if (values === undefined || values.length === 0) {
      const parts = connection.severalIn(text)
      if (parts) return await connection.runAll(parts.map((part) => ({ text: part, ...rest })))
    }
    this.#requireSameText(name, text)
    const kept = name !== undefined && /^[\w .:-]{1,40}$/.test(name) ? { name } : {}
    return await connection.run({ text, ...(values && { values }), ...kept, ...rest })
  }

  /** As `pg` says it: a name belongs to one text for as long as the client lives. */
  #requireSameText(name: string | undefined, text: string): void {
    if (name === undefined) return
    const known = this.#named.get(name)
    if (known !== undefined && known !== text)
      throw new Error(
        `Prepared statements must be unique - '${name.slice(0, 60)}' was used for a different statement`,
      )
    if (this.#named.size < MAX_NAMES) this.#named.set(name, text)
  }

  /** `new pg.Query(…)`: an emitter of rows. */
  #runQueryObject(query: Submittable, callback: Callback | undefined): Submittable {
    const { text, values } = query as { text?: unknown; values?: unknown[] }
    const given = asOfNow(values)
    const emitter = query as Submittable & EventEmitter & { callback?: Callback }
    const done = callback ?? emitter.callback
    this.#enqueue(() => this.#run({ text: String(text) }, given)).then(
      (result) => {
        const last = Array.isArray(result) ? result.at(-1) : result
        for (const row of last?.rows ?? []) emitter.emit('row', row, last)
        emitter.emit('end', last)
        done?.(null, result)
      },
      (error: unknown) => {
        if (done) done(this.#shown(error))
        else emitter.emit('error', this.#shown(error))
      },
    )
    return query
  }

  async #open(): Promise<TenantConnection> {
    if (this.#connection) return this.#connection
    const { TenantConnection } = await import('./connection.ts')
    this.#connection ??= new TenantConnection(this.#binding.reach)
    this.#connection.cancellable = this.#processID !== undefined
    return this.#connection
  }

  #enqueue<T>(job: () => Promise<T>): Promise<T> {
    this.#waiting++
    const run = this.#last.then(job)
    this.#last = run.then(
      () => this.#drained(),
      () => this.#drained(),
    )
    return run
  }

  #drained(): void {
    if (--this.#waiting === 0) this.emit('drain')
  }

  #shown(error: unknown): unknown {
    return asDatabaseError(error, this.#binding.errors)
  }
}

const MAX_NAMES = 10_000

/** As the server answers `pg_cancel_backend`. */
const ANSWERED: QueryResult = {
  command: 'SELECT',
  rowCount: 1,
  rows: [{ pg_cancel_backend: true }],
  fields: [],
}
