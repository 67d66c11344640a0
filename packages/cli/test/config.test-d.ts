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
// @ts-expect-error a placement needs a URL
defineConfig({ placements: { eu: {} } })

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
