import { type TestLevels, useTestLevels } from '@org/pg-testing/vitest'
import type { IsolationLevel, Tenancy, TenancyOptions } from '../../src/index.ts'
import { createPatient } from '../support/world.ts'

export { testSealing } from '@org/pg-testing'
export { notesAt } from '@org/pg-testing/vitest'

/** One level, what it says it stops, and where tenants of it are unlike others. */
export interface Subject {
  readonly level: IsolationLevel
  /** A qualified name of another tenant's table. */
  readonly stopsNames: boolean
  /** SQL that changes role, or tenant, and back within one statement. */
  readonly stopsRoleChange: boolean
  /** Tenants log in by themselves. */
  readonly logsIn: boolean
  /** Tenants have one set of tables, with one sequence, one owner and one ledger. */
  readonly shares: boolean
}

/** The levels with a schema for each tenant. */
export const SUBJECTS: readonly Subject[] = [
  { level: 'schema', stopsNames: false, stopsRoleChange: false, logsIn: false, shares: false },
  { level: 'role', stopsNames: true, stopsRoleChange: false, logsIn: false, shares: false },
  { level: 'login', stopsNames: true, stopsRoleChange: true, logsIn: true, shares: false },
  { level: 'database', stopsNames: true, stopsRoleChange: true, logsIn: true, shares: false },
]

/** Every level there is; the conformance tests run over all of them. */
export const ALL_SUBJECTS: readonly Subject[] = [
  ...SUBJECTS,
  { level: 'row', stopsNames: true, stopsRoleChange: false, logsIn: false, shares: true },
]

/** The file's world with an administrator that may create databases, still no superuser. */
export const useSetting = (): Setting => useTestLevels(createPatient)

export type Setting = TestLevels<Tenancy, TenancyOptions>
