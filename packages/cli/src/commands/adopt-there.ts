import type { PoolLike, Tenancy } from '@org/pg-tenant'
import { CliError } from '../cli-error.ts'
import { plural } from '../output/format.ts'
import type { Output } from '../output/output.ts'

// What there is to be adopted with --all.

/** Schemas that fit and are no tenants. @throws CliError REFUSED where none fits */
export async function schemasLeft(adminPool: PoolLike, pattern: string, output: Output): Promise<string[]> {
  const { findSchemas } = await import('@org/pg-tenant/admin')
  const found = await findSchemas(adminPool, pattern)
  if (found.length === 0) {
    const others = (await findSchemas(adminPool)).map(({ schema }) => schema)
    throw nothingFits('schema', pattern, others)
  }
  const left = found.filter(({ tenant }) => !tenant)
  if (found.length > left.length)
    output.note(`${plural(found.length - left.length, 'schema')} adopted already.`)
  return left.map(({ schema }) => schema)
}

/** Databases that fit. @throws CliError REFUSED where none does */
export async function databasesThere(adminPool: PoolLike, pattern: string): Promise<string[]> {
  const { findDatabases } = await import('@org/pg-tenant/admin')
  const namesOf = async (like?: string) =>
    (await findDatabases(adminPool, like)).map(({ database }) => database)
  const found = await namesOf(pattern)
  if (found.length === 0) throw nothingFits('database', pattern, await namesOf())
  return found
}

/** A pattern in a script that is misspelt must not look as if all were done. */
function nothingFits(what: string, pattern: string, others: readonly string[]): CliError {
  const more = others.length > 10 ? ` and ${others.length - 10} more` : ''
  const there = others.length > 0 ? ` There are ${others.slice(0, 10).join(', ')}${more}.` : ''
  return new CliError('REFUSED', `No ${what} fits ${pattern}.${there}`)
}

/** Those that are none yet: of a database the registry alone says it. One that was cut off is gone on with. */
export async function notTenants(
  tenancy: Pick<Tenancy, 'find'>,
  keys: ReadonlyMap<string, string>,
  output: Output,
): Promise<string[]> {
  const left: string[] = []
  for (const key of keys.keys()) {
    const known = await tenancy.find(key)
    if (!known || known.status === 'provisioning' || known.status === 'deleted') left.push(key)
  }
  if (keys.size > left.length) output.note(`${plural(keys.size - left.length, 'database')} adopted already.`)
  return left
}
