import type { IsolationLevel } from '../../src/index.ts'

const ARCHIVES = [
  'x.backup',
  'x.backup.policy',
  'x.backup.pg_dump',
  'x.export',
  'x.export.csv',
  'x.restore',
  'x.restore.clone',
  'x.restore.migrating',
  'x.restore.pg_dump',
  'x.offboard',
]
const MIGRATIONS = ['x.migrate', 'x.migrate.provision', 'x.migrate.no-transaction']

/** Calls in which a tenant's code still has somebody else's rights. It only ever gets shorter. */
export const KNOWN_OPEN: Readonly<Record<IsolationLevel, readonly string[]>> = {
  schema: [...ARCHIVES, ...MIGRATIONS],
  role: [...ARCHIVES, ...MIGRATIONS],
  login: [...ARCHIVES, ...MIGRATIONS],
  database: [...ARCHIVES, ...MIGRATIONS],
  row: [],
}

/** Calls that end in a refusal on a tenant with every kind of code in it, and why. */
export const REFUSALS: Readonly<Record<string, string>> = {
  // Policies that bind the owner: the backup would not be whole.
  'x.backup.policy': 'DATABASE_ERROR',
}
