export { connectPostgres } from './attach.ts'
export { TestPostgresError, type TestPostgresErrorCode } from './error.ts'
export { leakedBackends } from './leaked-backends.ts'
export { type PgBouncer, startPgBouncer } from './pgbouncer.ts'
export type { StartPgBouncerOptions } from './pgbouncer-config.ts'
export { hasPgBouncer } from './pgbouncer-program.ts'
export { startPostgres } from './start.ts'
export type {
  PostgresMajor,
  PostgresServer,
  StartPostgresOptions,
  TemplateDatabase,
  TestDatabase,
} from './types.ts'
export { uniqueName } from './unique-name.ts'
export { type VitestGlobalSetup, type VitestProject, vitestPostgres } from './vitest.ts'
