import type { Pool } from 'pg'
import { quoteIdentifier } from '../../sql/identifier.ts'
import { settle } from './finding.ts'

/**
 * Removes every schema and role of the prefix, whoever made it and in whatever state it is. What cannot be removed
 * does not keep the rest.
 *
 * @throws the first error of the server
 */
export async function sweep(admin: Pool, prefix: string): Promise<void> {
  const names = async (sql: string) => {
    const { rows } = await admin.query<{ name: string }>(sql, [prefix])
    return rows.map((row) => quoteIdentifier(row.name))
  }
  const errors: unknown[] = []
  const attempt = async (sql: string) => {
    const outcome = await settle(admin.query(sql))
    if (!outcome.ok) errors.push(outcome.error)
  }
  for (const database of await names(
    'select datname as name from pg_database where starts_with(datname, $1)',
  )) {
    // FORCE wants the right to end a worker of autovacuum, too; without it the server ends that by itself.
    const forced = await settle(admin.query(`drop database ${database} with (force)`))
    if (!forced.ok) await attempt(`drop database ${database}`)
  }
  for (const schema of await names(
    'select nspname as name from pg_namespace where starts_with(nspname, $1)',
  )) {
    await attempt(`drop schema ${schema} cascade`)
  }
  for (const role of await names('select rolname as name from pg_roles where starts_with(rolname, $1)')) {
    // In one message, so in one transaction: the role is put off again whatever happens.
    await attempt(`set local role ${role}; drop owned by current_user cascade`)
    await attempt(`drop role ${role}`)
  }
  if (errors.length > 0) throw errors[0]
}
