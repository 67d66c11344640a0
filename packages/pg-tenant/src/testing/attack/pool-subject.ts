import { Readable } from 'node:stream'
import type { Pool, PoolClient } from 'pg'
import type { Tenancy } from '../../tenancy/interface.ts'
import { asSubmitted, inSavepoint, KeptPools, onClient } from './by-text.ts'
import type { AttackQuery, Row, Subject, SubjectDb } from './types.ts'

/** The library through `tenancy.pool(key)`, used as code over a `pg.Pool` does: BEGIN, COMMIT and savepoints are texts. */
export function poolSubject(tenancy: Tenancy): Subject {
  const pools = new KeptPools<{ connectionTimeout?: number }>((tenant, how) => tenancy.pool(tenant, how))
  return {
    name: `a tenant's pool of @org/pg-tenant, level ${tenancy.isolation}`,
    withTenant: async (tenant, fn, { signal, connectionTimeout } = {}) =>
      await onClient(
        pools.of(tenant, connectionTimeout === undefined ? {} : { connectionTimeout }),
        signal,
        async (client) => {
          await client.query('begin')
          const value = await fn(adapt(client))
          await client.query('commit')
          return value
        },
      ),
    query: async (tenant, query, values) => await run(pools.of(tenant, {}), query, values),
    provision: (tenant) => tenancy.provision(tenant),
    close: async () => {
      await pools.end()
      await tenancy.close()
    },
  }
}

function adapt(client: PoolClient): SubjectDb {
  return {
    query: (query, values) => run(client, query, values),
    savepoint: (fn) => inSavepoint(client, () => fn(adapt(client))),
    copyTo: async (sql) => client.query(asSubmitted(new Readable({ read() {} }), sql)),
  }
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
