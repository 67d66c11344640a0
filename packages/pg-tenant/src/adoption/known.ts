import type { AdoptionFinding } from './finding.ts'
import type { Login } from './login.ts'
import type { Shape } from './reference.ts'

/** Which migrations the schema has, and what they make. */
export interface Baseline {
  readonly id: string | null
  readonly from: string
  readonly reference: Shape | undefined
  readonly findings: readonly AdoptionFinding[]
}

/** What is found out once, ahead of all tries. */
export interface Known {
  readonly again: boolean
  readonly baseline: Baseline
  readonly login: Login | undefined
  /** What was found of the tenant's database, from outside. */
  readonly outside: readonly AdoptionFinding[]
}
