import type { Pool, PoolClient } from 'pg'

/** Transactions and savepoints as code over a `pg.Pool` writes them, as texts, on the pools of tenants. */

/** Pools by what they were made for, kept as an application keeps them: a client serves one transaction after another. */
export class KeptPools<O extends object> {
  readonly #make: (tenant: string, options: O) => Pool
  readonly #pools = new Map<string, Pool>()

  constructor(make: (tenant: string, options: O) => Pool) {
    this.#make = make
  }

  of(tenant: string, options: O): Pool {
    const name = `${tenant} ${JSON.stringify(options)}`
    const pool = this.#pools.get(name) ?? this.#make(tenant, options)
    this.#pools.set(name, pool)
    return pool
  }

  async end(): Promise<void> {
    const ended = [...this.#pools.values()]
    this.#pools.clear()
    await Promise.all(ended.map((pool) => pool.end()))
  }
}

/**
 * As every manual of `pg` has it, ROLLBACK behind whatever goes wrong; a signal cancels as people do who know the backend's
 * number. `fn` says BEGIN and COMMIT.
 */
export async function onClient<T>(
  pool: Pool,
  signal: AbortSignal | undefined,
  fn: (client: PoolClient) => Promise<T>,
): Promise<T> {
  const client = (await pool.connect()) as PoolClient & { readonly processID: number }
  const cancel = () => void pool.query('select pg_cancel_backend($1)', [client.processID]).catch(() => {})
  signal?.addEventListener('abort', cancel, { once: true })
  try {
    return await fn(client)
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw error
  } finally {
    signal?.removeEventListener('abort', cancel)
    client.release()
  }
}

let savepoints = 0

export async function inSavepoint<T>(client: PoolClient, fn: () => Promise<T>): Promise<T> {
  const name = `kit_${++savepoints}`
  await client.query(`savepoint ${name}`)
  try {
    const value = await fn()
    await client.query(`release savepoint ${name}`)
    return value
  } catch (error) {
    await client.query(`rollback to savepoint ${name}`)
    throw error
  }
}

/** Shaped as what `pg-copy-streams` makes. */
export const asSubmitted = <T extends object>(stream: T, text: string): T & { submit(): void } =>
  Object.assign(stream, { text, submit() {} })
