import type { IsolationLevel } from '../../src/index.ts'

/** Where the administrator owns what is restored, it is made again as the administrator. */
const AS_ADMINISTRATOR = ['x.restore', 'x.restore.clone', 'x.restore.migrating', 'x.restore.pg_dump']

/** Calls in which a tenant's code still has somebody else's rights. It only ever gets shorter. */
export const KNOWN_OPEN: Readonly<Record<IsolationLevel, readonly string[]>> = {
  schema: AS_ADMINISTRATOR,
  role: [],
  login: [],
  database: [],
  row: [],
}
