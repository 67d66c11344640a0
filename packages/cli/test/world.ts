import { createTenancy, type Tenancy, type TenancyOptions } from '@org/pg-tenant'
import { type FileWorld, useTestTenancy } from '@org/pg-testing/vitest'

export { eventually } from '@org/pg-testing'

/** One test file's own database, with the roles a careful team would use: nobody in it is a superuser. */
export type World = FileWorld<Tenancy, TenancyOptions>

/** Sets the file's world up and takes it down. */
export const useWorld = (tenants: readonly string[] = ['acme', 'globex']): World =>
  useTestTenancy(createTenancy, { tenants })
