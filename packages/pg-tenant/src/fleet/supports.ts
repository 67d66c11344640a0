import { TenancyError } from '@org/core'
import type { IsolationLevel } from '../isolation/isolation.ts'
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
      readonly why?: string
    }
  >
> = {
  schema: {},
  role: {},
  login: {},
  database: {},
  row: { options: [...BY_TENANT, ...OF_STATEMENTS], why: ONE_SCHEMA },
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
