import { readFile } from 'node:fs/promises'
import { createTenancy, type ProvisionResult } from '@org/pg-tenant'
import pg from 'pg'
import { interleave, ratio } from '../measure/interleave.ts'
import { spreadOf } from '../measure/statistics.ts'
import type { Effort } from '../options.ts'
import { atMost, finding, type SuiteResult } from '../report/result.ts'
import type { Bench } from '../server.ts'

const NAME = {
  role: 'provision, level role',
  schema: 'provision, level schema',
  ready: 'provision from the ready pool, level role',
  raw: 'role, schema, rights and tables in one raw message',
  tables: 'schema and tables in one raw message',
} as const

/** Processor time of the backend by statement: `log_statement_stats`, medians of 23. */
const BECAUSE =
  'the server alone takes 20.7 ms where the raw message takes 15.3 (log_statement_stats, 2026-11-30): 1.1 for marker and ledger, 0.9 for the ' +
  'room in which the migrations have the tenant’s rights alone and 0.8 for what is checked behind it, 2.6 for the checks of role and ' +
  'schema and the rows of registry and ledgers. More than half of that is parsing and planning, and nothing may be kept prepared in a ' +
  'session in which a tenant’s SQL has run. A sign-up that cannot wait takes a ready tenant'

/** Roles outlive databases: each run has names of its own. */
let runs = 0

/** A tenant of 14 tables, made by the library and by one raw message of the same DDL. */
export async function provisionSuite(bench: Bench, effort: Effort): Promise<SuiteResult> {
  const { applicationUrl, adminUrl, drop } = await bench.database()
  const ddl = await readFile(`${import.meta.dirname}/../sql/commerce.sql`, 'utf8')
  const pool = new pg.Pool({ connectionString: applicationUrl, max: 1 })
  const pools = [pool, ...[1, 2, 3, 4, 5].map(() => new pg.Pool({ connectionString: adminUrl, max: 1 }))]
  const [, first, second, third, fourth, fifth] = pools as [
    pg.Pool,
    pg.Pool,
    pg.Pool,
    pg.Pool,
    pg.Pool,
    pg.Pool,
  ]
  const time = ++runs
  const prefixOf = (letter: string) => bench.prefix(letter.repeat(time))
  const tenancy = (isolation: 'role' | 'schema', letter: string, adminPool: pg.Pool) => {
    const prefix = prefixOf(letter)
    const migrations = [{ id: '0001_commerce', sql: ddl }]
    return createTenancy({ pool, adminPool, isolation, schemaPrefix: prefix, rolePrefix: prefix, migrations })
  }
  const [role, schema] = [tenancy('role', 'p', first), tenancy('schema', 'q', second)]
  const ready = tenancy('role', 'y', fifth)
  await ready.ready.fill(effort.provisions + effort.warmUp)
  let made = 0
  const next = () => `n${++made}`
  const contenders = [
    { name: NAME.role, run: () => role.provision(next()) },
    { name: NAME.schema, run: () => schema.provision(next()) },
    { name: NAME.ready, run: async () => requireClaimed(await ready.provision(next(), { fromReady: true })) },
    { name: NAME.raw, run: () => third.query(rawTenant(prefixOf('w') + next(), bench.role, ddl)) },
    { name: NAME.tables, run: () => fourth.query(rawTables(prefixOf('x') + next(), ddl)) },
  ]
  const plan = { concurrency: 1, sliceMs: 0, rounds: effort.provisions, warmUp: effort.warmUp }
  const measured = await interleave(contenders, plan)
  await Promise.all(pools.map((one) => one.end()))
  await drop()
  const ms = measured.map(({ name, cost }) => `${name} ${spreadOf(cost).median.toFixed(1)} ms`)
  return {
    suite: 'provision',
    findings: [
      finding(
        'provision, 14 tables, level role',
        NAME.raw,
        ratio(measured, NAME.role, NAME.raw),
        atMost(1.25),
        undefined,
        BECAUSE,
      ),
      finding('sign-up from the ready pool', NAME.raw, ratio(measured, NAME.ready, NAME.raw), atMost(0.3)),
      finding('provision, 14 tables, level role', NAME.tables, ratio(measured, NAME.role, NAME.tables)),
      finding('provision, 14 tables, level schema', NAME.tables, ratio(measured, NAME.schema, NAME.tables)),
    ],
    notes: [`provision: ${ms.join('; ')} (fsync off for all of them)`],
  }
}

/** What is measured is claiming: a pool that ran empty would be the figure of provisioning. */
function requireClaimed({ claimed }: ProvisionResult): void {
  if (!claimed) throw new Error('the ready pool ran empty')
}

/** The least that gives a tenant the same walls: a role of its own that owns its tables. */
const rawTenant = (name: string, application: string, ddl: string): string => `
  begin;
  create role ${name} nologin noinherit;
  grant ${name} to ${application};
  create schema ${name};
  revoke all on schema ${name} from public;
  grant usage, create on schema ${name} to ${name};
  set local search_path to ${name}, public;
  set local role ${name};
  ${ddl};
  commit`

const rawTables = (name: string, ddl: string): string => `
  begin;
  create schema ${name};
  set local search_path to ${name}, public;
  ${ddl};
  commit`
