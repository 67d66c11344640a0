import { Readable, Writable } from 'node:stream'
import { isTenancyError } from '@org/core'
import type { TenancyOptions, TenantPoolOptions } from '@org/pg-tenant'
import type { Pool, PoolClient } from 'pg'
import {
  asSubmitted,
  inSavepoint,
  KeptPools,
  onClient,
} from '../../packages/pg-tenant/src/testing/attack/by-text.ts'
import type { NamedQuery, Rows, ScopedDb, Subject } from './subject.ts'
import { ERRORS, tenancyOver } from './subject-ours.ts'

/** The library through `tenancy.pool(key)`, used as code over a `pg.Pool` does: transactions and savepoints are texts. */
export function poolSubject(under: Pool, options: Partial<TenancyOptions>): Subject {
  const tenancy = tenancyOver(under, options)
  const pools = new KeptPools<TenantPoolOptions>((key, how) => tenancy.pool(key, how))
  const withTenant: Subject['withTenant'] = async (
    key,
    fn,
    { signal, readOnly, isolationLevel, ...rest } = {},
  ) => {
    const mode = `${isolationLevel ? ` isolation level ${isolationLevel}` : ''}${readOnly ? ' read only' : ''}`
    return await onClient(pools.of(key, rest), signal, async (client) => {
      await client.query(`begin${mode}`)
      const value = await fn(asDb(client, key, withTenant))
      await client.query('commit')
      return value
    })
  }
  return {
    name: 'ours',
    pool: under,
    byText: true,
    withTenant,
    query: async (key, text, values, { signal, ...rest } = {}) =>
      await onClient(pools.of(key, rest), signal, (client) => client.query(text, [...values])),
    rest: () => pools.end(),
    failureOf: (error) => ERRORS.failureOf(ofTheLibrary(error)),
    describe: (error) => ERRORS.describe(ofTheLibrary(error)),
    codeOf: (error) => ERRORS.codeOf(ofTheLibrary(error)),
  }
}

/** Errors are shaped as those of `pg`; what the library says of them is their cause. */
function ofTheLibrary(error: unknown): unknown {
  const { cause } = (error ?? {}) as { readonly cause?: unknown }
  return !isTenancyError(error) && isTenancyError(cause) ? cause : error
}

function asDb(client: PoolClient, key: string, withTenant: Subject['withTenant']): ScopedDb {
  const db: ScopedDb = {
    query: (query: string | NamedQuery, values?: readonly unknown[]) =>
      typeof query === 'string'
        ? client.query(query, values && [...values])
        : client.query({ ...query, values: [...query.values] }),
    savepoint: (fn) => inSavepoint(client, () => fn(db)),
    // What libraries make of a transaction in a transaction.
    withTenant: (other, fn) => (other === key ? db.savepoint(fn) : withTenant(other, fn)),
    async *stream(text, values, { batchSize }) {
      const cursor = client.query(cursorOf(text, values))
      try {
        for (;;) {
          const rows = await cursor.read(batchSize)
          if (rows.length === 0) return
          yield* rows
        }
      } finally {
        await cursor.close()
      }
    },
    copyFrom: async (sql) => client.query(asSubmitted(new Writable(), sql)),
    copyTo: async (sql) => client.query(asSubmitted(new Readable({ read() {} }), sql)),
  }
  return db
}

/** Shaped as a `pg-cursor`; the tenant's client reads for it. */
function cursorOf(text: string, values: readonly unknown[]) {
  return {
    text,
    values: [...values],
    submit() {},
    read: async (_rows: number): Promise<Rows> => [],
    close: async (): Promise<void> => {},
  }
}
