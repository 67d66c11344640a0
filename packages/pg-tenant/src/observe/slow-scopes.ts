import { integerOption, invalidOption, type ScopeTrace, type StatementTrace, TRACES } from '@org/core'

/** When {@link onSlowScope} speaks up. */
export interface SlowScopeOptions {
  /** Milliseconds, above 0 (default 1,000); waiting for a connection counts. */
  readonly threshold?: number | undefined
  /** So many of its statements are named, the slowest first, 0 to 100 (default 5). */
  readonly slowest?: number | undefined
}

/** A statement, by its shape: no text, no values. */
export interface SlowStatement {
  readonly operation: string
  /** {@link fingerprint} of its text. */
  readonly fingerprint: string
  readonly ms: number
  readonly rows: number | undefined
}

/** A scope that took long. Safe to log. */
export interface SlowScope extends Omit<Readonly<ScopeTrace>, 'ms'> {
  readonly ms: number
  readonly slowest: readonly SlowStatement[]
}

/**
 * Tells of each scope of this process that took longer than a threshold: whose, how long it waited for a connection, which of
 * its statements were slow. Time between statements that none of them accounts for is the callback's own.
 *
 * @param report what it throws is dropped: a log that fails, fails no request
 * @returns what ends it
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { onSlowScope } from '@org/pg-tenant/observe'
 *
 * const stop = onSlowScope({ threshold: 500 }, (scope) => console.warn('slow scope', scope))
 * await tenancy.query('acme', 'select 1')
 * stop()
 * ```
 */
export function onSlowScope(
  { threshold = 1_000, slowest = 5 }: SlowScopeOptions,
  report: (scope: SlowScope) => void,
): () => void {
  if (typeof threshold !== 'number' || !(threshold > 0))
    throw invalidOption('threshold', 'milliseconds above 0')
  integerOption('slowest', slowest, 0, 100)
  if (typeof report !== 'function') throw invalidOption('report', 'a function')
  const statements = new WeakMap<ScopeTrace, StatementTrace[]>()
  const stops = [
    TRACES.statement.listen({
      over: (message) => {
        const kept = statements.get(message.scope) ?? []
        kept.push(message)
        // Only a few of very many are held.
        if (kept.length > slowest) kept.sort(bySlowness).length = slowest
        statements.set(message.scope, kept)
      },
    }),
    TRACES.scope.listen({
      over: (scope) => {
        if ((scope.ms ?? 0) < threshold) return
        const kept = [...(statements.get(scope) ?? [])].sort(bySlowness)
        try {
          report({ ...scope, ms: scope.ms ?? 0, slowest: kept.map(told) })
        } catch {
          // Nothing to tell it to.
        }
      },
    }),
  ]
  return () => {
    for (const stop of stops) stop()
  }
}

const bySlowness = (a: StatementTrace, b: StatementTrace) => (b.ms ?? 0) - (a.ms ?? 0)

const told = ({ operation, fingerprint, ms = 0, rows }: StatementTrace): SlowStatement => ({
  operation,
  fingerprint,
  ms,
  rows,
})
