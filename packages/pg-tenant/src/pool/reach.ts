import type { OpenScope } from '../scope/open-scope.ts'
import type { ScopeOptions } from '../scope/options.ts'
import type { QueryResult } from '../scope/result.ts'
import type { QueryConfig } from '../scope/statement.ts'
import type { Turns } from './running.ts'
import type { LockReach } from './session-locks.ts'

/** How a tenant's connection reaches the tenant: over a tenancy, or inside a scope that is open already. */
export interface Reach extends LockReach {
  /** One statement in a scope of its own. */
  once(query: QueryConfig, signal?: AbortSignal): Promise<QueryResult>
  /** A scope that ends by hand. */
  open(options: ScopeOptions): OpenScope
  /** In which clients of the pool wait for their first lock. */
  readonly turns?: Turns
}

/** `I`dle, in a `T`ransaction, or in a failed (`E`) one, as ReadyForQuery says it. */
export type Status = 'I' | 'T' | 'E'
