import { vitestPostgres } from '../postgres/vitest.ts'

/**
 * For `test.globalSetup` of a vitest config; see `vitestPostgres`, which takes options too. Files that run side by side share the
 * server, and pools keep their connections for ten seconds. One that runs already has its own settings.
 */
const settings = process.env.TEST_DATABASE_URL ? {} : { max_connections: '400' }
export const { setup, teardown } = vitestPostgres({ settings })
