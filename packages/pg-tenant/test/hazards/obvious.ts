import { AsyncLocalStorage } from 'node:async_hooks'
import pg, { type PoolClient } from 'pg'
import type { AttackQuery, Subject, SubjectDb, SubjectSetup } from '../../src/testing/attack/index.ts'

/** How the obvious helper turns a key into a name: it rewrites what does not fit, and PostgreSQL cuts the rest. */
const schemaNameOf = (prefix: string, key: string): string =>
  (prefix + key).toLowerCase().replace(/[^a-z0-9_]/g, '_')

const run = (client: PoolClient, query: AttackQuery, values?: readonly unknown[]) =>
  typeof query === 'string'
    ? client.query(query, values && [...values])
    : client.query({ ...query, values: [...(values ?? query.values ?? [])] })

const provisionWith =
  ({ pool, prefix }: SubjectSetup) =>
  async (tenant: string) => {
    const schema = schemaNameOf(prefix, tenant)
    await pool.query(
      `create schema if not exists ${schema}; create table if not exists ${schema}.notes (body text)`,
    )
  }

/** Cancels as most people would: a query on another connection, and nobody waits for it. */
function cancelOnAbort(
  client: PoolClient & { processID?: number },
  url: string | undefined,
  signal: AbortSignal,
): void {
  const cancel = async () => {
    const other = new pg.Client({ connectionString: url })
    await other.connect()
    await other.query('select pg_cancel_backend($1)', [client.processID])
    await other.end()
  }
  signal.addEventListener('abort', () => void cancel().catch(() => {}), { once: true })
}

/** A handle that never ends. */
export function handleOn(client: PoolClient): SubjectDb {
  return {
    query: (query, values) => run(client, query, values),
    savepoint: async (fn) => {
      await client.query('savepoint obvious')
      try {
        const value = await fn(handleOn(client))
        await client.query('release savepoint obvious')
        return value
      } catch (error) {
        await client.query('rollback to savepoint obvious')
        throw error
      }
    },
  }
}

/** The control: what one writes in an afternoon. Every attack that promises something must break it. */
export function obvious(setup: SubjectSetup): Subject {
  const { pool, prefix, sharedSchema } = setup
  const withTenant: Subject['withTenant'] = async (tenant, fn, options) => {
    const client = await pool.connect()
    if (options?.signal) cancelOnAbort(client, pool.options.connectionString, options.signal)
    try {
      await client.query('BEGIN')
      await client.query(`SET LOCAL search_path TO ${schemaNameOf(prefix, tenant)}, ${sharedSchema}`)
      const value = await fn(handleOn(client))
      await client.query('COMMIT')
      return value
    } catch (error) {
      await client.query('ROLLBACK').catch(() => {})
      throw error
    } finally {
      client.release()
    }
  }
  return { name: 'the obvious helper', withTenant, provision: provisionWith(setup) }
}

/** The same with one handle for all, which finds its connection in the async context (hazard s). */
export function ambient(setup: SubjectSetup): Subject {
  const storage = new AsyncLocalStorage<SubjectDb>()
  const shared: SubjectDb = {
    query: (query, values) =>
      storage.getStore()?.query(query, values) ?? Promise.reject(new Error('no tenant')),
  }
  const inner = obvious(setup)
  return {
    name: 'the obvious helper, ambient',
    withTenant: (tenant, fn, options) =>
      inner.withTenant(tenant, (db) => storage.run(db, () => fn(shared)), options),
  }
}

/** The same without waiting: opening, first statement and the rest leave at once (hazard w). */
export function pipelined(setup: SubjectSetup): Subject {
  const { pool, prefix, sharedSchema } = setup
  const withTenant: Subject['withTenant'] = async (tenant, fn) => {
    const client = await pool.connect()
    const schema = schemaNameOf(prefix, tenant)
    try {
      const path = client.query(`set search_path to ${schema}, ${sharedSchema}`)
      const opening = client.query(`select '${schema}'::regnamespace; begin`)
      const work = fn({ query: (query, values) => run(client, query, values) })
      await Promise.all([path, opening, work])
      await client.query('commit')
      return await work
    } catch (error) {
      await client.query('rollback').catch(() => {})
      throw error
    } finally {
      client.release()
    }
  }
  return { name: 'the obvious helper, pipelined', withTenant }
}

/** What Prisma's client and every DataLoader do: the look-ups of one tick are one query, sent by the first of them. */
export class BatchingClient<T> {
  #waiting: Promise<T> | undefined
  readonly #send: () => Promise<T>

  constructor(send: () => Promise<T>) {
    this.#send = send
  }

  find(): Promise<T> {
    this.#waiting ??= Promise.resolve().then(() => {
      this.#waiting = undefined
      return this.#send()
    })
    return this.#waiting
  }
}

/** One such client for all tenants, which finds the tenant in the async context: what people make of Prisma (hazard s). */
export function batching(setup: SubjectSetup): Subject {
  const storage = new AsyncLocalStorage<string>()
  const inner = obvious(setup)
  const shared = new BatchingClient(() =>
    inner.withTenant(storage.getStore() ?? '', (db) => db.query('select body from notes')),
  )
  return {
    ...inner,
    name: 'one batching client over AsyncLocalStorage',
    query: (tenant) => storage.run(tenant, () => shared.find()),
  }
}
