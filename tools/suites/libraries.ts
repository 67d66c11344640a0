/** How the test suite of a library is started in a folder where somebody has checked the library out. */
export interface Suite {
  readonly package: string
  /** Where it is started, below the checked-out folder. */
  readonly folder: string
  /** Node's arguments behind the preload: the test runner and what it is to run. `report` is the file for its report. */
  readonly command: (report: string) => readonly string[]
  readonly env: (url: string) => NodeJS.ProcessEnv
  /** Drivers of other databases that the suite imports in any case, and what it takes from them. */
  readonly absent: Readonly<Record<string, readonly string[]>>
  /** Whether its tests begin with `drop schema public cascade`, for which something stands in (`schemas.ts`). */
  readonly schemas: boolean
  /** What has to be done in the folder before. */
  readonly before: string
}

const mocha = (report: string, ...rest: string[]) => [
  'node_modules/mocha/bin/mocha.js',
  ...['--exit', '--reporter', 'json', '--reporter-option', `output=${report}`],
  ...rest,
]

export const SUITES: Readonly<Record<string, Suite>> = {
  kysely: {
    package: 'kysely',
    folder: '.',
    command: (report) => mocha(report, '--timeout', '60000', 'test/node/dist/**/*.test.js'),
    env: () => ({ DIALECTS: 'postgres' }),
    absent: {
      'better-sqlite3': ['SqliteError'],
      '@electric-sql/pglite': ['PGlite'],
      mysql2: ['createConnection', 'createPool'],
      tarn: ['Pool', 'TimeoutError'],
      tedious: ['Connection', 'Request', 'TYPES', 'ISOLATION_LEVEL'],
    },
    schemas: false,
    before: 'npm install, tsc, tsc -p test/node',
  },
  drizzle: {
    package: 'drizzle-orm',
    folder: 'integration-tests',
    command: (report) => [
      'node_modules/vitest/vitest.mjs',
      ...['run', '--pool=forks', '--reporter=json', `--outputFile=${report}`],
      ...['tests/pg/node-postgres.test.ts', 'tests/pg/pg-custom.test.ts', 'tests/relational/pg.test.ts'],
      ...['tests/relational/issues-schemas/duplicates/pg', 'tests/relational/issues-schemas/wrong-mapping'],
    ],
    env: (url) => ({ PG_CONNECTION_STRING: url }),
    absent: {},
    schemas: true,
    before: 'npm install in integration-tests, drizzle-orm of the same version from npm among it',
  },
  knex: {
    package: 'knex',
    folder: '.',
    command: (report) => mocha(report, '-t', '60000', '--config', 'test/mocha-integration-config-test.js'),
    env: () => ({ DB: 'postgres', KNEX_TEST_TIMEOUT: '60000' }),
    absent: {
      sqlite3: ['Database'],
      'better-sqlite3': [],
      mysql: [],
      mysql2: [],
      tedious: ['Connection'],
      oracledb: [],
    },
    schemas: false,
    before: 'npm install',
  },
}
