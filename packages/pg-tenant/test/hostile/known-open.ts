import type { IsolationLevel } from '../../src/index.ts'

/** Calls in which a tenant's code has somebody else's rights: exactly these, so that one which is mended leaves the list. */
export const KNOWN_OPEN: Readonly<Record<IsolationLevel, readonly string[]>> = {
  schema: [],
  role: [],
  login: [],
  database: [],
  row: [],
}
