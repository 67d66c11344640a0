import { startPostgres } from './start.ts'
import type { PostgresServer, StartPostgresOptions } from './types.ts'

/**
 * What is used of vitest's project. In a test file `inject('pgTenantServerUrl')` yields the URL; to have it
 * typed, declare the key: `declare module 'vitest' { interface ProvidedContext { pgTenantServerUrl: string } }`.
 */
export interface VitestProject {
  provide(key: 'pgTenantServerUrl', value: string): void
}

/** The two functions that vitest calls in a `globalSetup` file. */
export interface VitestGlobalSetup {
  setup(project: VitestProject): Promise<void>
  teardown(): Promise<void>
}

interface SharedServer {
  readonly server: Promise<PostgresServer>
  users: number
}

// Vitest loads a global set-up once per project, each time as a new module: the process is what they share.
const shared = globalThis as { [key: symbol]: SharedServer | undefined }
const KEY = Symbol.for('@org/pg-tenant/testing/postgres')

/**
 * A vitest global set-up that starts one server for the whole run, however many projects use it (the options
 * of the first count), and provides its URL to the test files as `pgTenantServerUrl`. There, `connectPostgres`
 * attaches to it, and each file makes itself a database from a template.
 * @throws TestPostgresError as `startPostgres`
 * @example
 * ```ts
 * // vitest: a file of `test.globalSetup`
 * import { vitestPostgres } from '@org/pg-testing'
 *
 * export const { setup, teardown } = vitestPostgres({ version: 16, settings: { max_connections: '50' } })
 * ```
 */
export function vitestPostgres(options: StartPostgresOptions = {}): VitestGlobalSetup {
  return {
    async setup(project) {
      shared[KEY] ??= { server: startPostgres(options), users: 0 }
      const entry = shared[KEY]
      entry.users += 1
      project.provide('pgTenantServerUrl', (await entry.server).url)
    },
    async teardown() {
      const entry = shared[KEY]
      if (!entry || --entry.users > 0) return
      shared[KEY] = undefined
      // If it did not start, `setup` has said so.
      await entry.server.then(
        (server) => server.stop(),
        () => undefined,
      )
    },
  }
}
