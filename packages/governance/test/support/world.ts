import { createTenancy, type Tenancy, type TenancyOptions } from '@org/pg-tenant'
import { type FileWorld, type TestLevels, useTestLevels, useTestTenancy } from '@org/pg-testing/vitest'

export { codeOf, eventually, NOTES, POOLED, testSealing } from '@org/pg-testing'
export { notesAt } from '@org/pg-testing/vitest'

/** One test file's own database, with the roles a careful team would use: nobody in it is a superuser. */
export type World = FileWorld<Tenancy, TenancyOptions>

export const useWorld = (tenants: readonly string[] = ['acme', 'globex']): World =>
  useTestTenancy(createTenancy, { tenants })

/** A world in which there may be a tenancy of each level. */
export type Setting = TestLevels<Tenancy, TenancyOptions>

export const useSetting = (): Setting => useTestLevels(createTenancy)
