import { vitestPostgres } from '../postgres/vitest.ts'

/** For `test.globalSetup` of a vitest config; see `vitestPostgres`, which takes options too. */
export const { setup, teardown } = vitestPostgres()
