import { randomBytes } from 'node:crypto'
import { TestPostgresError } from './error.ts'

/**
 * `<prefix>_<12 random hex digits>`: a name for a role, schema or database that no other test has.
 * Roles belong to the server, not to the database: test files that run side by side share them, so each
 * takes unique names and drops its roles itself.
 * @param prefix lower case letters, digits and underscores, at most 50 (PostgreSQL cuts names at 63 bytes)
 * @throws TestPostgresError `INVALID_OPTION`
 * @example
 * ```ts
 * import { uniqueName } from '@org/pg-testing'
 *
 * const role = uniqueName('app') // app_…: roles belong to the server, which test files share
 * console.log(role)
 * ```
 */
export function uniqueName(prefix: string): string {
  if (!/^[a-z_][a-z0-9_]{0,49}$/.test(prefix)) {
    throw new TestPostgresError(
      'INVALID_OPTION',
      `prefix ${JSON.stringify(prefix)} must match [a-z_][a-z0-9_]{0,49}`,
    )
  }
  return `${prefix}_${randomBytes(6).toString('hex')}`
}
