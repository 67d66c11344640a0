import { quoteIdentifier, redact, withClient, withDatabase } from './admin.ts'
import { reason, TestPostgresError } from './error.ts'
import { ownedName } from './owner.ts'
import type { TemplateDatabase, TestDatabase } from './types.ts'

/**
 * Where nothing is flushed, files are copied as they are: writing every page to the log first costs more than twice as much.
 * Elsewhere that would be two checkpoints.
 */
const STRATEGY = `SELECT CASE current_setting('fsync') WHEN 'off' THEN 'file_copy' ELSE 'wal_log' END AS strategy`

// template0 rather than template1: nobody can be connected to it, which would make the copy fail.
const createSql = (name: string, template: string, strategy: string): string =>
  `CREATE DATABASE ${quoteIdentifier(name)} TEMPLATE ${quoteIdentifier(template)} STRATEGY ${strategy}`

/** For whoever has a connection already. */
export const dropSql = (name: string): string =>
  `DROP DATABASE IF EXISTS ${quoteIdentifier(name)} WITH (FORCE)`

/** Creates a database that carries its owner in its name. */
export async function createOwnedDatabase(url: string, template?: TemplateDatabase): Promise<TestDatabase> {
  const name = ownedName()
  try {
    await withClient(url, async (client) => {
      const { rows } = await client.query<{ strategy: string }>(STRATEGY)
      await client.query(createSql(name, template?.name ?? 'template0', rows[0]?.strategy ?? 'wal_log'))
    })
  } catch (error) {
    throw new TestPostgresError(
      'DATABASE_FAILED',
      `cannot create a database on ${redact(url)}: ${reason(error)}`,
      {
        cause: error,
      },
    )
  }
  return { name, url: withDatabase(url, name), drop: () => dropDatabase(url, name) }
}

export async function dropDatabase(url: string, name: string): Promise<void> {
  try {
    await withClient(url, (client) => client.query(dropSql(name)))
  } catch (error) {
    throw new TestPostgresError('DATABASE_FAILED', `cannot drop database ${name}: ${reason(error)}`, {
      cause: error,
    })
  }
}
