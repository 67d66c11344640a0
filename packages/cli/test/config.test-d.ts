import type { Tenancy } from '@org/pg-tenant'
import { expectTypeOf } from 'vitest'
import { type Config, defineConfig, EXIT, type ExitCode, run } from '../src/index.ts'

// The options of createTenancy are known here, but for the pools.
defineConfig({ isolation: 'role', schemaPrefix: 'c_', migrations: './migrations', sharedSchemas: ['public'] })
// @ts-expect-error no such level
defineConfig({ isolation: 'none' })
// @ts-expect-error an option there is not
defineConfig({ isolaton: 'role' })
// @ts-expect-error the command makes its own pools
defineConfig({ pool: {} })
// A placement has what the configuration says, unless it says otherwise.
defineConfig({
  placements: { shared: {}, apart: { isolation: 'login', schemaPrefix: 'a_', migrations: './apart' } },
})
// @ts-expect-error no such level
defineConfig({ placements: { eu: { isolation: 'none' } } })

defineConfig({
  seed: async (db, tenant, { tenancy, pool }) => {
    expectTypeOf(tenancy).toEqualTypeOf<Tenancy>()
    expectTypeOf((await pool.query('select')).rows).not.toBeAny()
    expectTypeOf(tenant).toEqualTypeOf<string>()
    expectTypeOf((await db.query('select')).rows).not.toBeAny()
  },
})
expectTypeOf(defineConfig({})).toEqualTypeOf<Config>()
expectTypeOf(run).returns.resolves.toEqualTypeOf<ExitCode>()
expectTypeOf(EXIT.refused).toEqualTypeOf<5>()
