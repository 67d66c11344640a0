import { type AnyIn, type Equal, expectType } from '@org/pg-testing/expect-type'
import { type ProvisionedDatabase, provisionDatabase } from '../../src/apps/provision-database.ts'
import type { PoolLike, Tenancy } from '../../src/index.ts'
import { createFleet, type Fleet } from '../../src/placement/fleet.ts'
import type { Advice } from '../../src/stats/advise.ts'
import type { FleetStats, StatsOptions } from '../../src/stats/stats.ts'
import type { VerifyCheck, VerifyReport } from '../../src/verify/report.ts'
import type { VerifyOptions } from '../../src/verify/verify.ts'

declare const pool: PoolLike
declare const tenancy: Tenancy

expectType<Equal<AnyIn<VerifyReport>, never>>(true)
// A Date holds an any of the standard library's.
expectType<Equal<AnyIn<Omit<FleetStats, 'tenants' | 'slowestMigrations'>>, never>>(true)
expectType<Equal<AnyIn<Omit<FleetStats['tenants'][number], 'lastActivity'>>, never>>(true)
expectType<Equal<AnyIn<Advice>, never>>(true)
expectType<Equal<AnyIn<ProvisionedDatabase>, never>>(true)
expectType<Equal<AnyIn<StatsOptions & VerifyOptions>, never>>(true)
expectType<Equal<VerifyCheck['outcome'], 'passed' | 'failed' | 'not promised' | 'not checked'>>(true)

/** A tenancy fits a fleet as it is, and comes out as what went in. */
export const fleet: Fleet<Tenancy> = createFleet({ placements: { eu: tenancy } })
expectType<Equal<Awaited<ReturnType<(typeof fleet)['of']>>, Tenancy>>(true)

// @ts-expect-error the app must be named
export const unnamed = provisionDatabase(pool, {})
// @ts-expect-error tenants are keys, 'all' or a sample
export const sampled: VerifyOptions = { tenants: 5 }
// @ts-expect-error a report cannot be changed
export const changed = (report: VerifyReport) => report.checks.push()
