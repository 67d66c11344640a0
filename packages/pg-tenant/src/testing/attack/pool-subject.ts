import { Readable } from 'node:stream'
import type { Pool, PoolClient } from 'pg'
import type { Tenancy } from '../../tenancy/interface.ts'
import type { AttackQuery, Row, Subject, SubjectDb, SubjectOptions } from './types.ts'

/** The library through `tenancy.pool(key)`, used as code over a `pg.Pool` does: BEGIN, COMMIT and savepoints are texts. */
export function poolSubject(tenancy: Tenancy): Subject {
  // Kept, as an application keeps them: a client serves one transaction of its tenant after another.
  const pools = new Map<string, Pool>()
  const poolOf = (tenant: string, connectionTimeout?: number): Pool => {
    const name = `${tenant} ${connectionTimeout}`
    const pool =
      pools.get(name) ?? tenancy.pool(tenant, connectionTimeout === undefined ? {} : { connectionTimeout })
    pools.set(name, pool)
    return pool
  }
  return {
    name: `a tenant's pool of @org/pg-tenant, level ${tenancy.isolation}`,
    withTenant: async (tenant, fn, { signal, connectionTimeout } = {}) =>
      await transaction(poolOf(tenant, connectionTimeout), fn, signal),
    query: async (tenant, query, values) => await run(poolOf(tenant), query, values),
    provision: (tenant) => tenancy.provision(tenant),
    close: async () => {
      await Promise.all([...pools.values()].map((pool) => pool.end()))
      await tenancy.close()
    },
  }
}

/** As every manual of `pg` has it; a signal cancels as people do who know the backend's number. */
async function transaction<T>(
  pool: Pool,
  fn: (db: SubjectDb) => Promise<T>,
  signal: SubjectOptions['signal'],
): Promise<T> {
  const client = (await pool.connect()) as PoolClient & { readonly processID: number }
  const cancel = () => void pool.query('select pg_cancel_backend($1)', [client.processID]).catch(() => {})
  signal?.addEventListener('abort', cancel, { once: true })
  try {
    await client.query('begin')
    const value = await fn(adapt(client))
    await client.query('commit')
    return value
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw error
  } finally {
    signal?.removeEventListener('abort', cancel)
    client.release()
  }
}

let savepoints = 0

function adapt(client: PoolClient): SubjectDb {
  return {
    query: (query, values) => run(client, query, values),
    savepoint: async (fn) => {
      const name = `kit_${++savepoints}`
      await client.query(`savepoint ${name}`)
      try {
        const value = await fn(adapt(client))
        await client.query(`release savepoint ${name}`)
        return value
      } catch (error) {
        await client.query(`rollback to savepoint ${name}`)
        throw error
      }
    },
    copyTo: async (sql) => client.query(copyTo(sql)),
  }
}

/** Shaped as what `pg-copy-streams` makes. */
function copyTo(text: string): Readable & { submit(): void } {
  return Object.assign(new Readable({ read() {} }), { text, submit() {} })
}

async function run(
  on: Pick<Pool, 'query'> | Pick<PoolClient, 'query'>,
  query: AttackQuery,
  values?: readonly unknown[],
): Promise<{ readonly rows: Row[] }> {
  const {
    text,
    name,
    values: own,
  } = typeof query === 'string' ? { text: query } : (query as Exclude<AttackQuery, string>)
  const given = values ?? own
  return await on.query<Row>({
    text,
    ...(name !== undefined && { name }),
    ...(given && { values: [...given] }),
  })
}
