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

const LEFT = [
  'x.left.held-cursor',
  'x.left.settings',
  'x.left.temporary-objects',
  'x.left.prepared-statements',
  'x.left.locks-and-channels',
]

/** Calls in which a tenant's code still has somebody else's rights. It only ever gets shorter. */
export const KNOWN_OPEN: Readonly<Record<IsolationLevel, readonly string[]>> = {
  schema: [...ARCHIVES, ...MIGRATIONS, ...LEFT],
  role: [...ARCHIVES, ...MIGRATIONS, ...LEFT],
  login: [...ARCHIVES, ...MIGRATIONS, ...LEFT],
  database: [...ARCHIVES, ...MIGRATIONS, ...LEFT],
  row: [],
}
