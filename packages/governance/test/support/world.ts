import { createTenancy, type Tenancy, type TenancyOptions } from '@org/pg-tenant'
import { type TestLevels, useTestLevels } from '@org/pg-testing/vitest'

export { codeOf, eventually, testSealing } from '@org/pg-testing'
export { notesAt } from '@org/pg-testing/vitest'

/** A world in which there may be a tenancy of each level. */
export type Setting = TestLevels<Tenancy, TenancyOptions>

export const useSetting = (): Setting => useTestLevels(createTenancy)
