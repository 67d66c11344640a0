import type { Kind } from './kind.ts'
import { CALLED } from './kinds-called.ts'
import { HELD } from './kinds-held.ts'

/**
 * What a tenant can leave lying about for somebody else to run. Places that the catalogue has and this table has not are in
 * `places.ts`, each with the statement that PostgreSQL refuses.
 */
export const KINDS: readonly Kind[] = [...CALLED, ...HELD]
