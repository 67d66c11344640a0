import { findProgram } from '../programs/find.ts'

/** Whether the `pgbouncer` program is installed here. */
export const hasPgBouncer = (): boolean => findProgram('pgbouncer') !== undefined
