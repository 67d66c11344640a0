import { createTenancy, type Tenancy } from '@org/pg-tenant'
import pg from 'pg'
import { interleave, type Measured, ratio } from '../measure/interleave.ts'
import { spreadOf } from '../measure/statistics.ts'
import type { Effort } from '../options.ts'
import { atMost, finding, type SuiteResult } from '../report/result.ts'
import type { Bench } from '../server.ts'

/** Tenants in the registry, small to large; each has ten migrations. */
const SIZES = { quick: [1_000, 10_000], full: [1_000, 10_000, 100_000] } as const
const MIGRATIONS = Array.from({ length: 10 }, (_, at) => ({ id: `000${at}_m`, sql: `select ${at}` }))

/** What is asked of a registry, and how much more it may take for ten times the tenants. */
const WORK = [
  { name: 'find one', bound: 1.5, run: (tenancy: Tenancy) => tenancy.find('f000500') },
  {
    name: 'a page of 1,000',
    bound: 1.5,
    run: (tenancy: Tenancy) => tenancy.list({ after: 'f000100', limit: 1_000 }),
  },
  { name: 'migrationStatus', bound: 12, run: (tenancy: Tenancy) => tenancy.migrationStatus() },
  { name: 'migrate, nothing to do', bound: 12, run: (tenancy: Tenancy) => tenancy.migrate() },
  { name: 'doctor', bound: 12, run: (tenancy: Tenancy) => tenancy.doctor({ limit: 1 }) },
] as const

/** How the registry grows: rows only, no schemas, without and with statistics. */
export async function registrySuite(bench: Bench, effort: Effort): Promise<SuiteResult> {
  const { applicationUrl, adminUrl, drop } = await bench.database()
  const root = new pg.Pool({ connectionString: adminUrl, max: 1 })
  const sizes = SIZES[effort.name]
  const rooms: Room[] = []
  for (const size of sizes) rooms.push(await fill(bench, root, { applicationUrl, adminUrl }, size))
  const contenders = rooms.flatMap(({ size, tenancy }) =>
    WORK.map(({ name, run }) => ({ name: named(name, size), run: () => run(tenancy) })),
  )
  const rounds = effort.name === 'full' ? 5 : 3
  const plan = { concurrency: 1, sliceMs: 0, rounds, warmUp: 1 }
  const blind = await interleave(contenders, plan)
  for (const { schema } of rooms)
    await root.query(`vacuum analyze ${schema}.tenant, ${schema}.tenant_migration`)
  const seen = await interleave(contenders, plan)
  for (const { end } of rooms) await end()
  await root.end()
  await drop()
  const steps = sizes.slice(1).map((size, at) => [sizes[at] as number, size] as const)
  return {
    suite: 'registry',
    findings: steps.flatMap(([small, large]) =>
      WORK.map(({ name, bound }) =>
        finding(
          `${name}, ${count(large)} tenants`,
          `${count(small)} tenants`,
          ratio(seen, named(name, large), named(name, small)),
          atMost(bound),
        ),
      ),
    ),
    notes: [
      `registry without statistics: ${figures(blind, sizes.at(-1) as number)}`,
      `registry with statistics: ${figures(seen, sizes.at(-1) as number)}`,
    ],
  }
}

interface Room {
  readonly size: number
  readonly schema: string
  readonly tenancy: Tenancy
  end(): Promise<unknown>
}

/** A registry of so many tenants, copies of one that is really there. */
async function fill(
  bench: Bench,
  root: pg.Pool,
  urls: { readonly applicationUrl: string; readonly adminUrl: string },
  size: number,
): Promise<Room> {
  const [pool, adminPool] = [urls.applicationUrl, urls.adminUrl].map(
    (connectionString) => new pg.Pool({ connectionString, max: 1 }),
  ) as [pg.Pool, pg.Pool]
  const prefix = bench.prefix(`g${size}`)
  const schema = `registry_${size}`
  const tenancy = createTenancy({
    pool,
    adminPool,
    isolation: 'role',
    schemaPrefix: prefix,
    rolePrefix: prefix,
    controlSchema: schema,
    migrations: MIGRATIONS,
  })
  await tenancy.provision('real')
  await root.query(`insert into ${schema}.tenant (prefix, key, status, isolation, schema_version)
    select prefix, 'f' || lpad(g::text, 6, '0'), status, isolation, schema_version
    from ${schema}.tenant cross join generate_series(1, ${size}) g where key = 'real'`)
  await root.query(`insert into ${schema}.tenant_migration (prefix, key, id, checksum, duration_ms)
    select t.prefix, t.key, m.id, m.checksum, m.duration_ms
    from ${schema}.tenant t cross join ${schema}.tenant_migration m where m.key = 'real' and t.key <> 'real'`)
  return { size, schema, tenancy, end: () => Promise.all([pool.end(), adminPool.end()]) }
}

const count = (number: number) => number.toLocaleString('en')
const named = (work: string, size: number) => `${work}, ${size}`

function figures(measured: readonly Measured[], size: number): string {
  const ms = WORK.map(({ name }) => {
    const { cost = [] } = measured.find((one) => one.name === named(name, size)) ?? {}
    return `${name} ${spreadOf(cost).median.toFixed(1)} ms`
  })
  return `${count(size)} tenants: ${ms.join('; ')}`
}
