import type { Pool, PoolClient } from 'pg'
import type { NamedQuery, ScopedDb, Subject } from './subject.ts'

/**
 * The control: the helper everybody writes first. The soak must find its leaks, else the soak is blind.
 */
export function obviousSubject(pool: Pool): Subject {
  const withTenant: Subject['withTenant'] = async (key, fn, options = {}) => {
    const client = await pool.connect()
    try {
      await client.query('BEGIN')
      await client.query(`SET LOCAL search_path TO "c_${key}", public`)
      if (options.statementTimeout)
        await client.query(`SET LOCAL statement_timeout = ${options.statementTimeout}`)
      const result = await orAbort(fn(asDb(client, withTenant)), options.signal)
      await client.query('COMMIT')
      return result
    } catch (error) {
      await client.query('ROLLBACK').catch(() => {})
      throw error
    } finally {
      client.release()
    }
  }
  return {
    name: 'obvious',
    pool,
    withTenant,
    query: (key, text, values, options) => withTenant(key, (db) => db.query(text, values), options),
    failureOf: () => 'rejected',
    describe: (error) => String(error).slice(0, 80),
    codeOf: (error) =>
      error instanceof Error ? ((error as { code?: string }).code ?? error.name) : 'thrown',
  }
}

function asDb(client: PoolClient, withTenant: Subject['withTenant']): ScopedDb {
  const db: ScopedDb = {
    query: (query: string | NamedQuery, values?: readonly unknown[]) =>
      typeof query === 'string'
        ? client.query(query, values && [...values])
        : client.query({ ...query, values: [...query.values] }),
    async savepoint(fn) {
      await client.query('SAVEPOINT nested')
      try {
        return await fn(db)
      } catch (error) {
        await client.query('ROLLBACK TO SAVEPOINT nested')
        throw error
      }
    },
    withTenant: (key, fn) => withTenant(key, fn),
  }
  return db
}

/** A signal as people usually wire it: the promise is given up, the query runs on. */
function orAbort<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work
  const given = new Promise<never>((_, reject) => {
    const give = () => reject(new Error('aborted'))
    if (signal.aborted) give()
    else signal.addEventListener('abort', give, { once: true })
  })
  work.catch(() => {})
  return Promise.race([work, given])
}
