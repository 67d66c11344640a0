import { afterAll, beforeAll, inject } from 'vitest'
import { type TenancyLike, type TestTenancyOptions, testTenancy } from '../world/tenancy.ts'
import type { TestWorld } from '../world/world.ts'

/** A file's own database with roles and pools; usable in hooks and tests, not while the file is being collected. */
export interface FileWorld<T extends TenancyLike, O> extends Omit<TestWorld, 'close'> {
  /** A tenancy in this world; one is made at each call. */
  tenancy(options?: Partial<O>): T
}

/**
 * A database of the test file's own with roles and pools, made before its tests and gone behind them; the file fails if it
 * left a session in a transaction. The server is that of the run where `@org/pg-testing/vitest/setup` is among vitest's
 * `globalSetup`, else one of the file's process.
 * @param create `createTenancy` of `@org/pg-tenant`
 * @throws TestPostgresError as `startPostgres`
 * @example
 * ```ts
 * // vitest
 * import { createTenancy } from '@org/pg-tenant'
 * import { useTestTenancy } from '@org/pg-testing/vitest'
 * import { expect, it } from 'vitest'
 *
 * const world = useTestTenancy(createTenancy, { tenants: ['acme'] })
 *
 * it('keeps notes', async () => {
 *   const { rows } = await world.tenancy().query('acme', 'select * from notes')
 *   expect(rows).toEqual([])
 * })
 * ```
 */
export function useTestTenancy<T extends TenancyLike, O extends object>(
  create: (options: O) => T,
  options: TestTenancyOptions<O> = {},
): FileWorld<T, O> {
  const file: { world?: FileWorld<T, O>; close?: () => Promise<void> } = {}
  beforeAll(async () => {
    const server = options.server ?? inject('pgTenantServerUrl' as never)
    const { close, tenancy: _, open, ...world } = await testTenancy(create, { ...options, server })
    file.world = { ...world, tenancy: open }
    file.close = close
  })
  afterAll(() => file.close?.())
  return new Proxy({} as FileWorld<T, O>, { get: (_, name) => Reflect.get(file.world ?? {}, name) })
}
