import { TenancyError } from '@org/core'
import type { IsolationLevel } from '../isolation/isolation.ts'
import { type Script, standsAlone } from '../migrations/script.ts'
import type { MigrateOptions } from './options.ts'

const ONE_SCHEMA = 'all tenants share one schema, which is migrated once'
const BY_TENANT = ['only', 'except', 'limit', 'canary', 'recheck', 'phase', 'dryRun'] as const
const OF_STATEMENTS = ['lockTimeout', 'statementTimeout'] as const

/**
 * What `migrate` cannot do, by level: the one table of it. Whatever is not here is the same at every level; what is here is
 * refused before anything runs, never left out.
 */
export const REFUSED: Readonly<
  Record<
    IsolationLevel,
    {
      readonly options?: readonly (keyof MigrateOptions)[]
      /** Whether a file may say `-- pg-tenant: no-transaction`. */
      readonly noTransaction?: true
      readonly why?: string
    }
  >
> = {
  schema: {},
  role: {},
  login: {},
  database: {},
  row: { options: [...BY_TENANT, ...OF_STATEMENTS], noTransaction: true, why: ONE_SCHEMA },
}

/** @throws TenancyError INVALID_OPTION */
export function requireSupported(level: IsolationLevel, options: MigrateOptions | undefined): void {
  const { options: refused = [], why } = REFUSED[level]
  for (const name of refused) {
    if (options?.[name] === undefined || options[name] === false) continue
    throw new TenancyError('INVALID_OPTION', `migrate: ${name} is not supported at level ${level}: ${why}.`, {
      details: { option: name },
    })
  }
}

/**
 * Outside a transaction a statement runs in a session of the administrator that has taken the tenant's role, which is no
 * boundary. What is allowed there is what PostgreSQL itself runs as the table's owner, in a security-restricted operation
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
