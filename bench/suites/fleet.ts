import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTenancy } from '@org/pg-tenant'
import { createMigrator, defineConfig } from 'drizzle-multitenant'
import pg from 'pg'
import { watchPool } from '../../packages/pg-tenant/src/driver/memory.ts'
import { migrateFleet } from '../../packages/pg-tenant/src/fleet/migrate.ts'
import { parseNaming } from '../../packages/pg-tenant/src/isolation/names.ts'
import { roleLevel } from '../../packages/pg-tenant/src/lifecycle/levels/role.ts'
import { parseMigrations } from '../../packages/pg-tenant/src/migrations/migrations.ts'
import { type Contender, interleave, processorOf, processorRatio, ratio } from '../measure/interleave.ts'
import { processorClock } from '../measure/processor.ts'
import { spreadOf } from '../measure/statistics.ts'
import type { Effort } from '../options.ts'
import { atMost, finding, type SuiteResult } from '../report/result.ts'
import type { Bench } from '../server.ts'

const NAME = {
  ours: 'migrate, level role',
  raw: 'the same DDL, one raw message for each tenant',
  other: 'drizzle-multitenant',
} as const
const CONNECTIONS = 4
const ROUNDS = 5
/** Why it is more than raw DDL. */
const TWO_LEDGERS =
  'raw DDL takes 1,150 k of the server’s instructions for a tenant, this 3,560 k (callgrind, 2026-11-29): a function of the tenant’s is made, called and dropped, so that its code never has the administrator’s rights (850 k), and two ledgers are written under a lock (830 k): 2.5× is the least'

/** Tenants of the question "who is behind?" when nobody is. */
const IDLE_TENANTS = 10_000

const FIRST = {
  id: '0001_notes',
  sql: 'create table notes (id bigint generated always as identity primary key, body text)',
}
const step = (n: number) => ({
  id: `${String(n + 1).padStart(4, '0')}_step`,
  sql: `alter table notes add column c${n} text;\ncreate index idx_notes_c${n} on notes (c${n})`,
})

/** A column and an index for every tenant of a fleet: by the library, raw, and by drizzle-multitenant's migrator. */
export async function fleetSuite(bench: Bench, effort: Effort): Promise<SuiteResult> {
  const { applicationUrl, adminUrl, drop } = await bench.database()
  const count = Math.min(effort.tenants, 1_000)
  const keys = Array.from({ length: count }, (_, at) => `k${at}`)
  const pool = new pg.Pool({ connectionString: applicationUrl, max: 1 })
  const admin = new pg.Pool({ connectionString: adminUrl, max: CONNECTIONS })
  const raw = new pg.Pool({ connectionString: adminUrl, max: CONNECTIONS })
  const place = { pool, admin, keys }
  const contenders = [
    await ours(bench, place),
    await rawContender(bench, { ...place, raw }),
    await drizzle(bench, { ...place, adminUrl }),
  ]
  await admin.query('vacuum analyze')
  const processor = await processorClock(adminUrl)
  const plan = { concurrency: 1, sliceMs: 0, rounds: ROUNDS, warmUp: 1, processor }
  const measured = await interleave(contenders, plan)
  const idle = await nothingToDo(bench, place)
  await Promise.all(contenders.map((one) => one.close?.()))
  await Promise.all([pool.end(), admin.end(), raw.end()])
  await drop()
  const each = measured.map(({ name, cost }) => `${name} ${(spreadOf(cost).median / count).toFixed(2)} ms`)
  const spent = processorRatio(measured, NAME.ours, NAME.raw)
  return {
    suite: 'fleet',
    scenarios: [
      {
        id: 'fleet-migrate',
        title: `a column and an index for ${count} tenants`,
        reference: NAME.raw,
        unit: 'ms',
        lines: measured.map(({ name, cost }) => ({
          name,
          ratio: ratio(measured, name, NAME.raw),
          absolute: spreadOf(cost).median,
          ...processorOf(measured, name, NAME.raw),
          kind: name === NAME.ours ? 'ours' : name === NAME.raw ? 'limit' : 'other',
        })),
      },
    ],
    findings: [
      finding(
        `migrate ${count} tenants`,
        NAME.raw,
        ratio(measured, NAME.ours, NAME.raw),
        atMost(1.7),
        undefined,
        TWO_LEDGERS,
      ),
      ...(spent
        ? [
            finding(
              `migrate ${count} tenants: processor time of both sides`,
              NAME.raw,
              spent,
              atMost(1.7),
              undefined,
              TWO_LEDGERS,
            ),
          ]
        : []),
      finding(`drizzle-multitenant, ${count} tenants`, NAME.raw, ratio(measured, NAME.other, NAME.raw)),
    ],
    notes: [
      `fleet: a tenant costs ${each.join('; ')} (${CONNECTIONS} connections, fsync off for all of them)`,
      `fleet: nothing to do for ${IDLE_TENANTS} tenants with 20 migrations each: ${idle.toFixed(0)} ms`,
    ],
  }
}

interface Place {
  readonly pool: pg.Pool
  readonly admin: pg.Pool
  readonly keys: readonly string[]
}

async function provisionAll({ pool, admin, keys }: Place, prefix: string, isolation: 'role' | 'schema') {
  const options = {
    pool,
    adminPool: admin,
    isolation,
    schemaPrefix: prefix,
    rolePrefix: prefix,
    migrations: [FIRST],
  }
  const tenancy = createTenancy(options)
  const left = [...keys]
  const lane = async () => {
    for (let key = left.pop(); key !== undefined; key = left.pop()) await tenancy.provision(key)
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, lane))
}

function fleetOf({ pool, admin }: Place, prefix: string, migrations: readonly { id: string; sql: string }[]) {
  watchPool(admin)
  return {
    level: 'role' as const,
    ofLevel: roleLevel,
    naming: parseNaming({ schemaPrefix: prefix, rolePrefix: prefix }),
    pool,
    adminPool: admin,
    registry: { controlSchema: 'tenancy', prefix },
    migrations: parseMigrations(migrations),
  }
}

async function ours(bench: Bench, place: Place): Promise<Contender> {
  const prefix = bench.prefix('f')
  await provisionAll(place, prefix, 'role')
  const migrations = [FIRST]
  return {
    name: NAME.ours,
    run: async () => {
      migrations.push(step(migrations.length))
      const report = await migrateFleet(fleetOf(place, prefix, migrations), { connections: CONNECTIONS })
      if (!report.ok || report.migrated !== place.keys.length) throw new Error('the fleet was not migrated')
    },
  }
}

async function rawContender(bench: Bench, place: Place & { raw: pg.Pool }): Promise<Contender> {
  const prefix = bench.prefix('g')
  await provisionAll(place, prefix, 'role')
  let steps = 0
  return {
    name: NAME.raw,
    run: async () => {
      const { sql } = step(++steps)
      const left = [...place.keys]
      const lane = async () => {
        for (let key = left.pop(); key !== undefined; key = left.pop()) {
          await place.raw.query(`begin; set local search_path to ${prefix}${key}, public; ${sql}; commit`)
        }
      }
      await Promise.all(Array.from({ length: CONNECTIONS }, lane))
    },
  }
}

async function drizzle(bench: Bench, place: Place & { adminUrl: string }): Promise<Contender> {
  const prefix = bench.prefix('h')
  await provisionAll(place, prefix, 'schema')
  const folder = await mkdtemp(join(tmpdir(), 'pg-tenant-bench-'))
  const migrator = createMigrator(
    defineConfig({
      connection: { url: place.adminUrl, poolConfig: { max: CONNECTIONS } },
      isolation: { strategy: 'schema', schemaNameTemplate: (key) => `${prefix}${key}` },
      schemas: { tenant: {} },
    }),
    { migrationsFolder: folder, tenantDiscovery: async () => [...place.keys] },
  )
  let steps = 0
  return {
    name: NAME.other,
    run: async () => {
      const { id, sql } = step(++steps)
      await writeFile(join(folder, `${id}.sql`), sql)
      const { failed } = await migrator.migrateAll({ concurrency: CONNECTIONS })
      if (failed > 0) throw new Error('drizzle-multitenant did not migrate everybody')
    },
    close: () => rm(folder, { recursive: true }),
  }
}

/**
 * Milliseconds of a run in which all of ten thousand tenants are up to date: the median of five. The tables have no
 * statistics of them, as after a fleet was moved in.
 */
async function nothingToDo(bench: Bench, place: Place): Promise<number> {
  const prefix = bench.prefix('i')
  const migrations = [FIRST, ...Array.from({ length: 19 }, (_, at) => step(at + 1))]
  const fleet = fleetOf(place, prefix, migrations)
  await place.admin.query(
    `insert into tenancy.tenant (prefix, key, status, isolation)
     select $1, 'k' || n, 'active', 'role' from generate_series(1, $2::int) n`,
    [prefix, IDLE_TENANTS],
  )
  await place.admin.query(
    `insert into tenancy.tenant_migration (prefix, key, id, checksum, duration_ms)
     select $1, 'k' || n, m.id, m.checksum, 1 from generate_series(1, $2::int) n, unnest($3::text[], $4::text[]) m (id, checksum)`,
    [
      prefix,
      IDLE_TENANTS,
      fleet.migrations.map(({ id }) => id),
      fleet.migrations.map(({ checksum }) => checksum),
    ],
  )
  const times: number[] = []
  for (let round = 0; round < 5; round++) {
    const { ms, behind } = await migrateFleet(fleet)
    if (behind !== 0) throw new Error('somebody was behind')
    times.push(ms)
  }
  return spreadOf(times).median
}
