import { fileURLToPath } from 'node:url'
import { configDefaults, defineProject } from 'vitest/config'

const POSTGRES = fileURLToPath(new URL('packages/pg-testing/src/vitest/setup.ts', import.meta.url))

/** What only the slow set runs, whole. Of most kinds the default set has other files, named here; of some it has none. */
const ALONE = [
  // Routes of the hub: the default set asks those of logins, keys, groups, tenants and records, makes, invites and suspends users on the
  // way (`auth`, `groups`, `tenants`), and generates requests to every sixteenth operation of all.
  ...['account', 'announced', 'catalogue', 'integration-credentials', 'me', 'users', 'webhooks'],
  // Programs that bring their own database (the demo does), commands at other levels, a recipe's files, and what others look at by parts.
  ...['together', 'levels', 'move-levels', 'seed-rbac', 'belongings', 'rotate-keys'],
  ...['outbox/jobs-recipe', 'audit/other-server'],
  // How a server is found and made: the default set's own is, and `postgres/postgres` looks at it.
  ...['postgres/embedded', 'postgres/shared-server'],
  // Deaths (`faults/process-killed`, `archive/server-killed`), columns of tenants (`row/key-types`), and, of its kind alone, a second server.
  ...['lifecycle/ready/faults', 'archive/kill', 'row/odd-columns', 'archive/older-server'],
]

/**
 * What the slow set runs (`pnpm test:slow`): the files of `ALONE`, and those that read `TEST_SLOW`, which share their levels, cases and
 * points out between the two sets. CI runs both. Each of the latter has some in the default set, but for the demo and the administration
 * page day by day (the default set has the page's `admin.test.ts`, and CI runs the demo as a step); the soak through tenants' pools and
 * of governance is here only.
 */
const SLOW = [
  ...ALONE,
  ...[
    'faults/*',
    'adoption/attacks',
    'pool/attacks',
    'levels/faults',
    'session/nothing-stays',
    'session/leave-function',
    'move/ahead',
    'move/ahead-faults',
    'move/late',
    'move/cut-off',
    'citus/attack',
    'citus/rebalance',
  ],
  ...['archive/server-killed', 'archive/cut-off', 'archive/random', 'archive/concurrent', 'apps/apps'],
  ...[
    'lifecycle/falls-through',
    'lifecycle/neighbours',
    'offboard/neighbours',
    'fuzz',
    'soak',
    'regular-expressions',
  ],
  ...[
    'levels/attacks',
    'hostile/hostile',
    'hazards/pgbouncer',
    'archive/huge',
    'attacks',
    'load/*',
    'integrations/credentials',
    'oracle/oracle',
    'growth',
    'demo',
    'checks/checks',
    'admin-everyday',
    'examples',
    'rotation/concurrent',
  ],
  // The levels whose turn it is not in the default set.
  ...[
    'audit/levels',
    'hostile',
    'outbox/attacks',
    'outbox/failover',
    'outbox/publish',
    'outbox/worker',
    'privacy/events',
    'privacy/privacy',
    'webhooks/deliver',
    'usage/usage',
    'idempotency/levels',
    'provision',
    'store/levels',
    'governance',
    'postgres/crash',
    'retention/levels',
  ],
  ...['move/move', 'move/levels', 'archive/levels', 'offboard/offboard-levels', 'session/keep-statements'],
  ...['hazards/stopped', 'hazards/control', 'move/refused', 'move/one-database', 'move/ahead-hostile'],
  ...['archive/round-trip', 'archive/settings', 'archive/circles'],
  ...['archive/inheritance', 'archive/abort', 'lifecycle/transfer-ownership', 'lifecycle/ready/ready'],
  ...['adoption/owners', 'adoption/database', 'adoption/database-settings', 'offboard/losses'],
  ...['adopt', 'login', 'support', 'store/epoch'],
  ...['levels/conformance', 'levels/scopes', 'levels/table', 'levels/migrate', 'levels/credentials'],
  ...['levels/row-control'],
]
const filesOf = (names: readonly string[]) => names.map((name) => `test/${name}.test.ts`)
const INCLUDE = process.env.TEST_SLOW ? filesOf(SLOW) : ['test/**/*.test.ts']
const EXCLUDE = process.env.TEST_SLOW ? [] : filesOf(ALONE)

/**
 * One project per package and example; vitest 5 reads them through `vitest.config.ts`. Where a file's modules hold nothing
 * that outlives it, files share a process (`isolate: false`): half the processor time goes into loading the library.
 */
const project = (name: string, root: string, globalSetup: string[] = [], isolate = true) =>
  defineProject({
    root,
    resolve: { conditions: ['@org/source', 'node', 'module', 'default'] },
    ssr: { resolve: { conditions: ['@org/source', 'node', 'module', 'default'] } },
    test: {
      name,
      include: INCLUDE,
      exclude: [...configDefaults.exclude, ...EXCLUDE],
      isolate,
      globalSetup,
      // Bounds for what hangs, not for what a busy machine makes slow; the slow set takes every statement of what the others sample.
      testTimeout: process.env.TEST_SLOW ? 600_000 : 180_000,
      hookTimeout: 240_000,
      expect: { poll: { timeout: 60_000 } },
    },
  })

export const projects = [
  project('core', 'packages/core', [], false),
  project('pg-testing', 'packages/pg-testing', [POSTGRES], false),
  project('pg-tenant', 'packages/pg-tenant', [POSTGRES], false),
  project('rbac', 'packages/rbac', [POSTGRES], false),
  project('crypto', 'packages/crypto', [POSTGRES], false),
  project('governance', 'packages/governance', [POSTGRES], false),
  project('cli', 'packages/cli', [POSTGRES], false),
  project('hono', 'examples/hono', [POSTGRES], false),
  project('express', 'examples/express', [POSTGRES], false),
  project('demo', 'examples/demo'),
  project('tools', 'tools', [POSTGRES]),
]
