import { vitestPostgres } from '../postgres/vitest.ts'

/**
 * For `test.globalSetup` of a vitest config; see `vitestPostgres`, which takes options too. Files that run side by side share the
 * server, and pools keep their connections for ten seconds.
 */
export const { setup, teardown } = vitestPostgres({ settings: { max_connections: '400' } })
