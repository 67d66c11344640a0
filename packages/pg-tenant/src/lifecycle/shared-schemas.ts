import { isTenancyError, SQLSTATE, TenancyError } from '@org/core'
import type { Admin } from '../admin/transaction.ts'
import type { Naming } from '../isolation/names.ts'
import { quoteIdentifier } from '../sql/identifier.ts'

// $1 shared schemas, $2 the role scopes run as.
const WITHOUT_USAGE = `select n.nspname as name from pg_catalog.pg_namespace n
  where n.nspname = any ($1::pg_catalog.text[]) and not pg_catalog.has_schema_privilege($2, n.oid, 'usage')
  order by 1`

/**
 * Every tenant can use what is in `sharedSchemas`: types of extensions, for instance. Where its role lacks USAGE it is given
 * it, if the administrator may; but for `public`, which is shared unless somebody says otherwise and may be closed.
 *
 * @param role the role scopes run as
 * @returns the schemas whose objects it will not find; doctor tells of them
 */
export async function shareSchemas(admin: Admin, naming: Naming, role: string): Promise<readonly string[]> {
  const without = await schemasWithoutUsage(admin, naming, role)
  const asked = without.filter((name) => name !== 'public')
  for (const name of asked) {
    const grant = `grant usage on schema ${quoteIdentifier(name)} to ${quoteIdentifier(role)}`
    await admin.attempt([SQLSTATE.INSUFFICIENT_PRIVILEGE], grant)
  }
  return asked.length === 0 ? without : await schemasWithoutUsage(admin, naming, role)
}

async function schemasWithoutUsage(admin: Admin, { sharedSchemas }: Naming, role: string): Promise<string[]> {
  return (await admin.run(WITHOUT_USAGE, [sharedSchemas, role])).map(({ name }) => String(name))
}

const NOT_FOUND: readonly unknown[] = [
  SQLSTATE.UNDEFINED_OBJECT,
  SQLSTATE.UNDEFINED_FUNCTION,
  SQLSTATE.UNDEFINED_TABLE,
]

/** Says so when what a migration did not find may be in a schema that the tenant may not use. */
export function withHint(error: unknown, lacking: readonly string[]): unknown {
  if (lacking.length === 0 || !isTenancyError(error) || !NOT_FOUND.includes(error.details.sqlState))
    return error
  const names = lacking.map(quoteIdentifier).join(', ')
  const hint = `Is it in ${names}? The tenant lacks USAGE there: GRANT USAGE ON SCHEMA ${names} TO PUBLIC.`
  return new TenancyError(error.code, `${error.message} ${hint}`, { details: error.details, cause: error })
}
