import {
  type ErrorCode,
  isTenancyError,
  parseTenantKey,
  runWithTenant,
  TenancyError,
  type TenantKey,
  toErrorBody,
} from '@org/core'
import { type Equal, expectType } from '@org/pg-testing/expect-type'
import pg from 'pg'
import {
  createTenancy,
  type driverError,
  type PoolLike,
  type QueryResult,
  type Tenancy,
  type TenantDb,
} from '../../src/index.ts'

declare const tenancy: Tenancy
declare const db: TenantDb
declare const pool: pg.Pool

/** A pool of one client, as somebody may write one. */
class SingleClientPool implements PoolLike {
  readonly #client: pg.PoolClient
  constructor(client: pg.PoolClient) {
    this.#client = client
  }
  async connect(): Promise<pg.PoolClient> {
    return this.#client
  }
  on(): this {
    return this
  }
}

export function pools(client: pg.Client, poolClient: pg.PoolClient): void {
  createTenancy({ pool: new pg.Pool({ connectionString: 'postgres://' }) })
  createTenancy({ pool: new pg.Pool({ Client: pg.Client }), adminPool: pool })
  createTenancy({ pool: new SingleClientPool(poolClient) })
  // @ts-expect-error a pool is needed
  createTenancy({})
  // @ts-expect-error options are needed
  createTenancy()
  // @ts-expect-error undefined is no pool
  createTenancy({ pool: undefined })
  // @ts-expect-error a client is no pool
  createTenancy({ pool: client })
  // @ts-expect-error a checked-out client is no pool
  createTenancy({ pool: poolClient })
  // @ts-expect-error a connection string is no pool
  createTenancy({ pool: 'postgres://' })
}

export function options(): void {
  createTenancy({
    pool,
    isolation: 'schema',
    schemaPrefix: 't_',
    rolePrefix: 't_',
    sharedSchemas: ['shared'],
  })
  // @ts-expect-error a level there is not
  createTenancy({ pool, isolation: 'none' })
  // @ts-expect-error an option there is not
  createTenancy({ pool, isolationLevel: 'role' })
  // @ts-expect-error milliseconds are a number
  createTenancy({ pool, statementTimeout: '5s' })
  // @ts-expect-error readOnly is an option of a scope, not of the tenancy
  createTenancy({ pool, readOnly: true })
  // @ts-expect-error a migration has an id
  createTenancy({ pool, migrations: [{ sql: 'select 1' }] })
  // @ts-expect-error the names are fixed once made
  tenancy.isolation = 'schema'
}

export async function scopes(): Promise<void> {
  const value = await tenancy.withTenant('acme', async () => 42 as const, {
    readOnly: true,
    isolationLevel: 'serializable',
    deferrable: true,
    signal: AbortSignal.timeout(1_000),
    retry: { attempts: 3 },
  })
  expectType<Equal<typeof value, 42>>(true)
  // @ts-expect-error the callback returns a promise
  tenancy.withTenant('acme', () => 42)
  // @ts-expect-error a key is a string
  tenancy.withTenant(42, async () => 42)
  // @ts-expect-error a callback is needed
  tenancy.withTenant('acme')
  // @ts-expect-error PostgreSQL has no such level of its own
  tenancy.withTenant('acme', async () => 42, { isolationLevel: 'read uncommitted' })
  // @ts-expect-error limits are called by what they limit
  tenancy.withTenant('acme', async () => 42, { timeout: 5 })
  // @ts-expect-error an isolation of tenants is not one of transactions
  tenancy.withTenant('acme', async () => 42, { isolation: 'role' })
  // @ts-expect-error attempts are bounded by a number
  tenancy.withTenant('acme', async () => 42, { retry: true })
  // @ts-expect-error a signal comes from an AbortController
  tenancy.withTenant('acme', async () => 42, { signal: 5_000 })
}

export async function handle(): Promise<void> {
  expectType<
    Equal<
      keyof TenantDb,
      'tenant' | 'query' | 'queue' | 'savepoint' | 'withTenant' | 'stream' | 'copyFrom' | 'copyTo'
    >
  >(true)
  // @ts-expect-error the connection is not the caller's to give back
  db.release()
  // @ts-expect-error nor to end
  db.end()
  // @ts-expect-error nor to listen on
  db.on('notification', () => {})
  // @ts-expect-error there is no way to it
  db.connection
  // @ts-expect-error the tenant cannot be exchanged
  db.tenant = parseTenantKey('globex')
  // @ts-expect-error a savepoint runs a function
  await db.savepoint('name')
  // @ts-expect-error a batch size is a number
  db.stream('select 1', [], { batchSize: '10' })
}

export async function rows(): Promise<void> {
  const plain = await db.query('select 1 as one')
  expectType<Equal<typeof plain, QueryResult<Record<string, unknown>>>>(true)
  const typed = await db.query<{ id: string; body: string }>('select id, body from notes where id = $1', [1])
  expectType<Equal<(typeof typed.rows)[number], { id: string; body: string }>>(true)
  // @ts-expect-error there may be no row
  typed.rows[0].id

  const arrays = await db.query({ text: 'select 1, 2', rowMode: 'array' })
  expectType<Equal<typeof arrays.rows, unknown[][]>>(true)
  const tuples = await db.query<[number, string]>({ text: 'select 1, $1', rowMode: 'array' }, ['two'])
  expectType<Equal<typeof tuples.rows, [number, string][]>>(true)
  const once = await tenancy.query('acme', { text: 'select 1', rowMode: 'array' })
  expectType<Equal<typeof once.rows, unknown[][]>>(true)
  const onceTyped = await tenancy.query<{ n: number }>('acme', 'select 1 as n', [], { readOnly: true })
  expectType<Equal<typeof onceTyped.rows, { n: number }[]>>(true)

  for await (const row of db.stream<{ id: string }>('select id from notes')) {
    expectType<Equal<typeof row, { id: string }>>(true)
  }
  // @ts-expect-error values are an array
  await db.query('select $1', 1)
  // @ts-expect-error objects of rows have no other mode
  await db.query({ text: 'select 1', rowMode: 'object' })
  // @ts-expect-error a misspelt option
  await db.query({ text: 'select 1', value: [1] })
  // @ts-expect-error the text is missing
  await db.query({ values: [1] })
  // @ts-expect-error promises only, no callbacks
  db.query('select 1', [], () => {})
}

export function keys(): void {
  const key = parseTenantKey('acme')
  expectType<Equal<typeof key, TenantKey>>(true)
  const text: string = key
  runWithTenant(key, () => text)
  // @ts-expect-error a string is not a checked key
  runWithTenant('acme', () => 1)
  // @ts-expect-error a string is not a checked key
  const forged: TenantKey = 'acme'
  // @ts-expect-error nor is a template around one
  const derived: TenantKey = `${key}-1`
  // @ts-expect-error nor what string methods make of one
  const changed: TenantKey = key.toLowerCase()
  // @ts-expect-error the brand cannot be written down
  const branded: TenantKey = Object.assign('acme', { brand: 'TenantKey' })
  void [forged, derived, changed, branded]
}

export function errors(error: unknown): void {
  // @ts-expect-error a code there is not
  new TenancyError('OOPS', 'text')
  // @ts-expect-error details are flat, so that they can be logged
  new TenancyError('CONFLICT', 'text', { details: { row: { id: 1 } } })
  // @ts-expect-error the compiler cannot know what was thrown
  error.code
  if (!isTenancyError(error)) return
  expectType<Equal<typeof error, TenancyError>>(true)
  expectType<Equal<typeof error.code, ErrorCode>>(true)
  // @ts-expect-error a code never changes
  error.code = 'CONFLICT'
  // @ts-expect-error a comparison that can never hold
  if (error.code === 'NO_SUCH_CODE') return
  expectType<Equal<ReturnType<typeof driverError>, unknown>>(true)
  const { body } = toErrorBody(error, { locale: 'pt-BR' })
  // @ts-expect-error the body has no stack
  body.error.stack
}
