import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { hasPgBouncer } from '@org/pg-tenant/testing'

// The library's tests on every PostgreSQL that is supported, and through PgBouncer in transaction mode.

interface Column {
  readonly name: string
  readonly env: Readonly<Record<string, string>>
  /** Why it cannot run on this machine. */
  readonly missing?: string | undefined
}

const DEBIAN_15 = '/usr/lib/postgresql/15/bin/postgres'

const columns: readonly Column[] = [
  {
    name: 'PostgreSQL 15 (Debian)',
    env: { TEST_PG_VERSION: '15' },
    missing: existsSync(DEBIAN_15) ? undefined : 'apt-get install postgresql-15',
  },
  { name: 'PostgreSQL 16', env: { TEST_PG_VERSION: '16' } },
  { name: 'PostgreSQL 17', env: { TEST_PG_VERSION: '17' } },
  { name: 'PostgreSQL 18', env: { TEST_PG_VERSION: '18' } },
  {
    name: 'PostgreSQL 18 through PgBouncer',
    env: { TEST_PG_VERSION: '18', TEST_POOLER: 'pgbouncer' },
    missing: hasPgBouncer() ? undefined : 'apt-get install pgbouncer',
  },
]

/** What talks to a database; the tests of the testing tools run once, with the default version. */
const TESTS = [
  'test/scope',
  'test/lifecycle',
  'test/sql',
  'test/hazards',
  'test/drizzle',
  'test/tenancy-options',
  'test/registry',
  'test/levels',
  'test/row',
  'test/fleet',
  'test/doctor',
  'test/verify',
  'test/stats',
  'test/apps',
  'test/placement',
  'test/backup',
  'test/export',
  'test/http',
]

const { values } = parseArgs({ options: { only: { type: 'string' } } })
const root = new URL('../..', import.meta.url).pathname

let failed = 0
for (const { name, env, missing } of columns.filter(
  (column) => !values.only || column.name.includes(values.only),
)) {
  if (missing) {
    console.log(`✗ ${name}: not here (${missing})`)
    failed++
    continue
  }
  const started = performance.now()
  // What breaks the hand-written helper on a direct connection need not break it through a pooler, which has its own
  // control (test/hazards/pgbouncer.test.ts).
  const tests = env.TEST_POOLER ? [...TESTS, '--exclude=**/hazards/control.test.ts'] : TESTS
  // All tests, and of those that share levels and cases out between the two sets the other half.
  for (const [set, slow, filter] of [
    ['tests', {}, []],
    ['slow set', { TEST_SLOW: '1' }, ['--tags-filter=sampled']],
  ] as const) {
    const { status, stdout } = spawnSync(
      'node_modules/.bin/vitest',
      ['run', '--project=pg-tenant', ...filter, ...tests],
      {
        cwd: root,
        env: { ...process.env, ...env, ...slow, NO_COLOR: '1' },
        encoding: 'utf8',
        maxBuffer: 1 << 28,
      },
    )
    const summary = /^\s+Tests\s+(.*)$/m.exec(stdout)?.[1] ?? 'no test ran'
    const passed = status === 0 && summary.includes('passed')
    const seconds = Math.round((performance.now() - started) / 1000)
    console.log(`${passed ? '✓' : '✗'} ${name}, ${set}: ${summary.trim()}, ${seconds} s`)
    if (!passed) {
      failed++
      console.log(stdout.slice(-6000))
    }
  }
}
process.exitCode = failed > 0 ? 1 : 0
