import { CliError } from '../cli-error.ts'
import type { Config } from '../config/config.ts'

/** The seed of the configuration. @throws CliError CONFIGURATION */
export function seedOf({ seed }: Config): NonNullable<Config['seed']> {
  if (typeof seed === 'function') return seed
  throw new CliError(
    'CONFIGURATION',
    'The configuration has no seed. Write: seed: async (db, tenant, { tenancy, pool }) => { await db.query(…) }',
  )
}
