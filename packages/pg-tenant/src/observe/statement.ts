import { type QueryRows, type ScopeTrace, type StatementTrace, TRACES } from '@org/core'
import { fingerprint, normalise, operationOf } from './fingerprint.ts'

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
