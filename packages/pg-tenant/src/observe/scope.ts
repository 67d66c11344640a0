import { type ScopeTrace, type TenantKey, TRACES } from '@org/core'

/** What is known of a scope before it opens. */
export interface ScopeFacts {
  readonly kind: ScopeTrace['kind']
  readonly tenant: TenantKey
  readonly level: string
  readonly readOnly: boolean
}

/** Runs a scope, and tells those who listen; there is a message only if anybody does, to scopes or to statements. */
export function tracedScope<T>(
  facts: ScopeFacts,
  work: (trace: ScopeTrace | undefined) => Promise<T>,
): Promise<T> {
  const { scope, statement } = TRACES
  if (!scope.hasSubscribers) return work(statement.hasSubscribers ? messageOf(facts) : undefined)
  return scope.trace(() => messageOf(facts), work)
}

const messageOf = ({ kind, tenant, level, readOnly }: ScopeFacts): ScopeTrace => ({
  kind,
  tenant,
  level,
  readOnly,
  statements: 0,
  attempts: 0,
})
