import { NOTES } from '@org/pg-testing'
import { type FileWorld, useTestTenancy } from '@org/pg-testing/vitest'
import { createTenancy, type Tenancy, type TenancyOptions } from '../../src/index.ts'

export { codeOf, eventually, NOTES, POOLED } from '@org/pg-testing'

/** Whoever waits for a connection in a test waits for the machine: little time has only what is to run out of it. */
export const createPatient = (options: TenancyOptions): Tenancy =>
  createTenancy({ connectionTimeout: 60_000, ...options })

/** One test file's own database, with the roles a careful team would use: nobody in it is a superuser. */
export type World = FileWorld<Tenancy, TenancyOptions>

/** Sets the file's world up and takes it down; fails the file if it left a session in a transaction. */
export function useWorld(tenants: readonly string[] = ['acme', 'globex']): World {
  return useTestTenancy(createPatient, { tenants, options: { migrations: [NOTES] } })
}
