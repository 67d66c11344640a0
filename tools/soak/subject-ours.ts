import { isTenancyError } from '@org/core'
import { createTenancy, driverError, type Tenancy, type TenancyOptions } from '@org/pg-tenant'
import type { Pool } from 'pg'
import { Deliberate } from './deliberate.ts'
import type { Subject } from './subject.ts'

/** Server-side limits short enough that a black hole is over in seconds. */
const LIMITS = { statementTimeout: 4_000, lockTimeout: 3_000, idleTimeout: 4_000, connectionTimeout: 20_000 }

/** What is soaked over `pool`: as many connections where tenants have their own. */
export function tenancyOver(pool: Pool, options: Partial<TenancyOptions>): Tenancy {
  const own = options.credentials && { tenantPools: { maxConnections: pool.options.max } }
  return createTenancy({ pool, ...options, ...own, ...LIMITS })
}

/** The library over `pool`. */
export function ourSubject(pool: Pool, options: Partial<TenancyOptions>): Subject {
  const tenancy = tenancyOver(pool, options)
  return {
    name: 'ours',
    pool,
    tenancy,
    ...ERRORS,
    withTenant: (key, fn, options) => tenancy.withTenant(key, fn, options),
    query: (key, text, values, options) => tenancy.query(key, text, values, options),
  }
}

/** How errors of the library are read. */
export const ERRORS: Pick<Subject, 'failureOf' | 'describe' | 'codeOf'> = {
  failureOf: (error) => (isTenancyError(error, 'UNKNOWN_OUTCOME') ? 'unknown' : 'rejected'),
  describe(error) {
    if (!isTenancyError(error)) return String(error).slice(0, 80)
    const { code, routine, message } = (driverError(error) ?? {}) as Partial<Record<string, string>>
    return [error.code, code, routine, message?.slice(0, 80)].filter(Boolean).join(' ')
  },
  codeOf(error) {
    if (isTenancyError(error)) return error.code
    if (error instanceof Deliberate) return 'own error'
    // Every error of the library has a code: this one has none.
    return `uncoded ${String(error).slice(0, 60)}`
  },
}
