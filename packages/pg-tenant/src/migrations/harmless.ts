import { TenancyError } from '@org/core'
import type { Script } from './script.ts'
import { standsAlone } from './statements.ts'

/**
 * Outside a transaction a statement runs in a session of the administrator, also where that has taken a tenant's role, which
 * is no boundary. What is allowed there is what PostgreSQL itself runs as the table's owner, in a security-restricted operation
 * (CVE-2022-1552; release notes of 14.3): nothing in it can change a role.
 *
 * @throws TenancyError STATEMENT_REFUSED before anything is run
 */
export function requireHarmless(scripts: readonly Script[]): void {
  for (const { id, statements, transaction } of scripts) {
    const refused = transaction
      ? undefined
      : statements.find((statement) => standsAlone(statement) === 'refused')
    if (!refused) continue
    throw new TenancyError(
      'STATEMENT_REFUSED',
      `Migration ${id}, line ${refused.line}: outside a transaction there are CREATE INDEX, DROP INDEX and REINDEX ` +
        'CONCURRENTLY and VACUUM; anything else would run the tenant’s code with the rights of whoever migrates. Nothing was run.',
      { details: { migration: id, line: refused.line } },
    )
  }
}
