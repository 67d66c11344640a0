import { type QueryRows, type ScopeTrace, type StatementTrace, type TenantKey, TRACES } from '@org/core'
import { fingerprint, normalise, operationOf } from './fingerprint.ts'

/** What is known of a scope before it opens. */
export interface ScopeFacts {
  readonly kind: ScopeTrace['kind']
  readonly tenant: TenantKey
  readonly level: string
  readonly readOnly: boolean
}

/** Whether anybody listens to scopes or to statements. */
export function isTraced(): boolean {
  return TRACES.scope.hasSubscribers || TRACES.statement.hasSubscribers
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

/** A statement's message. Its text is nobody's to read: what is said of it is worked out when somebody asks. */
class StatementMessage implements StatementTrace {
  readonly tenant: string
  readonly scope: ScopeTrace
  ms?: number
  code?: string
  sqlState?: string
  rows?: number
  readonly #text: string

  constructor(scope: ScopeTrace, text: string) {
    this.tenant = scope.tenant
    this.scope = scope
    this.#text = text
  }

  get operation(): string {
    return operationOf(this.#text)
  }

  get fingerprint(): string {
    return fingerprint(this.#text)
  }

  normalised(): string {
    return normalise(this.#text)
  }
}

/** Runs one statement of a scope, and tells those who listen. */
export function tracedStatement<T extends Partial<Pick<QueryRows, 'rowCount'>>>(
  scope: ScopeTrace | undefined,
  text: string,
  work: () => Promise<T>,
): Promise<T> {
  if (scope === undefined) return work()
  scope.statements++
  if (!TRACES.statement.hasSubscribers) return work()
  return TRACES.statement.trace(
    () => new StatementMessage(scope, text),
    async (message) => {
      const result = await work()
      if (message && typeof result.rowCount === 'number') message.rows = result.rowCount
      return result
    },
  )
}
