import { isTenancyError, SQLSTATE, TenancyError, type TenantKey } from '@org/core'
import type { PoolConfig } from 'pg'
import { watchPool } from '../driver/memory.ts'
import type { PoolClientLike, PoolLike } from '../driver/types.ts'
import { fromConnectError } from '../errors/from-connect-error.ts'
import { isServerError, withDriverError } from '../errors/server-error.ts'
import type { Credentials } from './credentials.ts'

/** The part of a `pg.Pool` that a tenant's pool must have. */
export interface OwnPool extends PoolLike {
  end(): Promise<void>
  on(event: 'connect' | 'acquire', listener: (client: PoolClientLike) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'remove', listener: (client: PoolClientLike) => void): unknown
  on(event: 'release', listener: (error: unknown, client: PoolClientLike) => void): unknown
}

/** Makes pools for tenants; `password` is a function, asked for each new connection. */
export type MakePool = (config: PoolConfig) => OwnPool | Promise<OwnPool>

/** Where one tenant's pool comes from. */
export interface PoolSource {
  /** @throws TenancyError SCHEMA_MISSING when there are no credentials */
  fetch(tenant: TenantKey): Promise<Credentials>
  open(tenant: TenantKey, credentials: Credentials, password: () => string): Promise<OwnPool>
}

/** One tenant's connections, and how many there are: counted from the pool's own events, so that they never drift. */
export class TenantPool {
  readonly tenant: TenantKey
  /** Connected and not yet closed. */
  alive = 0
  /** In use. */
  lent = 0
  /** Asked of the pool, not yet answered. */
  asking = 0
  /** Of these, those that make a new connection. */
  opening = 0
  readonly #closing = new Set<PoolClientLike>()
  #trimming = 0
  readonly #source: PoolSource
  readonly #onChange: () => void
  #credentials: Credentials | undefined
  #pool: Promise<OwnPool> | undefined
  #renewal: Promise<void> | undefined

  constructor(tenant: TenantKey, source: PoolSource, onChange: () => void) {
    this.tenant = tenant
    this.#source = source
    this.#onChange = onChange
  }

  /** Connections that nobody uses and nobody was promised. */
  get free(): number {
    return Math.max(0, this.alive - this.lent - this.asking - this.#closing.size)
  }

  /** On their way out; each makes room for one. */
  get closing(): number {
    return this.#closing.size + this.#trimming
  }

  /** Counts against the budget. */
  get size(): number {
    return this.alive + this.opening
  }

  get unused(): boolean {
    return this.size + this.lent + this.asking === 0
  }

  /** A client; made anew with fresh credentials when the server refuses the password, once. */
  async connect(opens: boolean): Promise<PoolClientLike> {
    this.asking++
    if (opens) this.opening++
    try {
      const pool = await this.#open()
      const used = this.#credentials
      try {
        return await pool.connect()
      } catch (error) {
        if (stateOf(error) !== SQLSTATE.INVALID_PASSWORD) throw error
        await this.#renew(used)
        return await pool.connect()
      }
    } catch (error) {
      throw fromStartUp(error)
    } finally {
      this.asking--
      if (opens) this.opening--
    }
  }

  /** Closes one connection that nobody uses. */
  async trim(): Promise<void> {
    this.#trimming++
    try {
      const client = await this.connect(false)
      client.release(true)
    } catch {
      // It was gone already.
    }
    this.#trimming--
    this.#onChange()
  }

  /** Resolves when all its connections are closed; those in use are waited for. */
  async end(): Promise<void> {
    const pool = await this.#pool?.catch(() => undefined)
    await pool?.end()
  }

  /** One look-up for all who ask at once. */
  #open(): Promise<OwnPool> {
    if (this.#pool) return this.#pool
    const opened = this.#make()
    this.#pool = opened
    opened.catch(() => {
      this.#pool = undefined
    })
    return opened
  }

  async #make(): Promise<OwnPool> {
    this.#credentials = await this.#source.fetch(this.tenant)
    const password = () => this.#credentials?.password ?? ''
    const pool = await this.#source.open(this.tenant, this.#credentials, password)
    watchPool(pool)
    pool.on('connect', () => void this.alive++)
    pool.on('acquire', () => void this.lent++)
    pool.on('release', (error, client) => {
      this.lent--
      if (error) this.#closing.add(client)
      this.#onChange()
    })
    pool.on('remove', (client) => {
      this.alive--
      this.#closing.delete(client)
      this.#onChange()
    })
    return pool
  }

  /** Fetches the password anew, unless somebody else has done so since `used`. */
  async #renew(used: Credentials | undefined): Promise<void> {
    if (this.#credentials !== used) return
    this.#renewal ??= this.#source
      .fetch(this.tenant)
      .then((fresh) => {
        this.#credentials = fresh
      })
      .finally(() => {
        this.#renewal = undefined
      })
    await this.#renewal
  }
}

/** PgBouncer asks the server for who may log in; of a role that may not, it says so with a state that says nothing. */
const NO_SUCH_USER = /^no such user\b/

function stateOf(error: unknown): string | undefined {
  if (!(error instanceof Error && isServerError(error))) return undefined
  return error.code === SQLSTATE.PROTOCOL_VIOLATION && NO_SUCH_USER.test(error.message)
    ? SQLSTATE.INVALID_AUTHORIZATION_SPECIFICATION
    : error.code
}

/** What the server said when the tenant wanted to log in, as an error of a scope that could not open. */
function fromStartUp(error: unknown): TenancyError {
  if (isTenancyError(error)) return error
  const state = stateOf(error)
  if (state === SQLSTATE.INVALID_CATALOG_NAME) {
    const text = "The tenant's database is not there. Run provision(key) first; nothing was executed."
    return withDriverError(new TenancyError('SCHEMA_MISSING', text, { details: { sqlState: state } }), error)
  }
  if (
    state === SQLSTATE.INVALID_PASSWORD ||
    state === SQLSTATE.INVALID_AUTHORIZATION_SPECIFICATION ||
    state === SQLSTATE.INSUFFICIENT_PRIVILEGE
  ) {
    const text =
      'The server does not let the tenant log in: its role is suspended or gone, or its credentials are not those of ' +
      'the server. Run provision(key) or rotateCredentials(key); nothing was executed.'
    return withDriverError(new TenancyError('SCHEMA_UNUSABLE', text, { details: { sqlState: state } }), error)
  }
  return fromConnectError(error)
}
