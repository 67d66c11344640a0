import { inAdminTransaction } from '../../admin/transaction.ts'
import type { Lifecycle } from '../lifecycle.ts'
import { prepare } from '../prepare.ts'
import { clear, type FillResult, fill } from './fill.ts'
import { readySteps } from './steps.ts'
import { countReady } from './table.ts'

/**
 * Tenants made ahead, so that signing up takes milliseconds: `provision(key, { fromReady: true })` gives one of them its
 * names. When they are filled up is yours to say (a job, or behind the answer of the sign-up): nothing runs by itself.
 * Levels `schema`, `role` and `login`.
 */
export interface ReadyTenants {
  /**
   * Brings their number up to `count` (0 to 10,000) and those there are up to date; ones that do not fit the migrations
   * any more are removed. Each is one transaction. May be repeated, also by several processes at once.
   *
   * @throws TenancyError INVALID_OPTION; STATEMENT_REFUSED when a function of a migration holds its schema's name;
   *   CONNECTION_LOST, DATABASE_ERROR
   */
  fill(count: number): Promise<FillResult>
  /** How many there are to be given out. @throws TenancyError INVALID_OPTION, CONNECTION_LOST, DATABASE_ERROR */
  count(): Promise<number>
  /** Removes them all. @returns how many there were. @throws TenancyError INVALID_OPTION, CONNECTION_LOST, DATABASE_ERROR */
  clear(): Promise<number>
}

export function readyTenants(lifecycle: Lifecycle): ReadyTenants {
  return Object.freeze({
    fill: async (count: number) => fill(lifecycle, count),
    count: async () => {
      readySteps(lifecycle)
      await prepare(lifecycle)
      return inAdminTransaction(lifecycle.adminPool, (admin) => countReady(admin, lifecycle))
    },
    clear: async () => clear(lifecycle),
  })
}
