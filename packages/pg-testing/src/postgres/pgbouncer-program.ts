import { findProgram } from '../programs/find.ts'

/**
 * Whether the `pgbouncer` program is installed here.
 * @example
 * ```ts
 * import { hasPgBouncer } from '@org/pg-testing'
 *
 * console.log(hasPgBouncer() ? 'tested through a pooler' : 'apt-get install pgbouncer')
 * ```
 */
export const hasPgBouncer = (): boolean => findProgram('pgbouncer') !== undefined
