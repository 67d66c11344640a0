import type { IsolationLevel } from '../../src/index.ts'

/** On PostgreSQL 18: what a trigger that defers again does behind the room, inside COMMIT. */
const LEFT = ['x.left.held-cursor', 'x.left.temporary-objects', 'x.left.locks-and-channels']

/** Where the administrator owns the tables of migrations, they still run as the administrator. */
const AS_ADMINISTRATOR = [
  'x.migrate',
  'x.migrate.provision',
  'x.restore',
  'x.restore.clone',
  'x.restore.migrating',
  'x.restore.pg_dump',
  'x.left.settings',
  'x.left.prepared-statements',
]

/** Calls in which a tenant's code still has somebody else's rights. It only ever gets shorter. */
export const KNOWN_OPEN: Readonly<Record<IsolationLevel, readonly string[]>> = {
  schema: [...AS_ADMINISTRATOR, ...LEFT],
  role: LEFT,
  login: LEFT,
  database: LEFT,
  row: [],
}
