import { quoteIdentifier, redact, withClient, withDatabase } from './admin.ts'
import { reason, TestPostgresError } from './error.ts'
import { ownedName } from './owner.ts'
import type { TemplateDatabase, TestDatabase } from './types.ts'

// template0 rather than template1: nobody can be connected to it, which would make the copy fail.
const createSql = (name: string, template: string): string =>
  `CREATE DATABASE ${quoteIdentifier(name)} TEMPLATE ${quoteIdentifier(template)}`

const dropSql = (name: string): string => `DROP DATABASE IF EXISTS ${quoteIdentifier(name)} WITH (FORCE)`

/** Creates a database that carries its owner in its name. */
export async function createOwnedDatabase(url: string, template?: TemplateDatabase): Promise<TestDatabase> {
  const name = ownedName()
  try {
    await withClient(url, (client) => client.query(createSql(name, template?.name ?? 'template0')))
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
