/**
 * A query of two rows, bound to a portal when the scope opens. Its first row is fetched at once: fetching it sets
 * path, role and limits. Its second row is fetched right before COMMIT: fetching it raises unless everything still is
 * as the first row set it.
 *
 * A portal cannot outlive its transaction (manual 54.2.3), so after a smuggled COMMIT, ROLLBACK or AND CHAIN the
 * second fetch fails by itself: the portal is the scope's nonce (hazard f).
 *
 * Behind COMMIT it is bound once more, to leave: its first row then gives back what a session holds beyond its settings.
 */
export interface Gate {
  readonly text: string
  /** What follows the parameters that every gate has ({@link entering}, {@link leaving}). */
  readonly values: readonly string[]
}

/** A gate's parameters: they begin with whether the scope opens, the seed of `random()` and the three limits. */
export type GateValues = readonly (string | null)[]

/** The server-side limits of a scope, in milliseconds. */
export interface GateLimits {
  readonly statementTimeout: number
  readonly lockTimeout: number
  readonly idleTimeout: number
}

/**
 * The text of a gate. Every name and operator in it is qualified, so that nothing in a path can stand in for it
 * (hazard l), neither when it is parsed nor when it is planned again.
 *
 * - `num_nulls` only gathers the calls, left to right: one function is cheaper than a chain of comparisons. The limits come
 *   first, so that they hold for the rest; who the scope runs as comes last.
 * - Functions that are given null do nothing, and `set_config('role', null, false)` resets: that is how one text opens and leaves.
 *   Settings are RESET ALL's when a scope is left.
 * - The cast at the end is what raises: `concat` is not folded when the query is planned, as a constant would be.
 * - VALUES, because it prepares each row when it is fetched; UNION would prepare both.
 *
 * @param enters settings that make the scope the tenant's ({@link sets})
 * @param role the parameter that says who it runs as; null is who the session is when it is left
 * @param holds what must still be true before COMMIT
 */
export function gateText(enters: readonly string[], role: string, holds: readonly string[]): string {
  const settings = [
    sets('statement_timeout', '$3'),
    sets('lock_timeout', '$4'),
    sets('idle_in_transaction_session_timeout', '$5'),
    DURABLY,
    ...enters,
  ]
  return `values (pg_catalog.num_nulls(
  pg_catalog.pg_advisory_unlock_all(),
  pg_catalog.setseed($2::pg_catalog.float8),
  case when $1::pg_catalog.bool then pg_catalog.num_nulls(
    ${settings.join(',\n    ')}) end,
  pg_catalog.set_config('role', ${role}, $1::pg_catalog.bool))),
(case when ${holds.join('\n  and ')}
  then 0 else pg_catalog.concat('pg_tenant:scope_escaped')::pg_catalog.int4 end)`
}

/** A setting of the scope, until COMMIT. */
export const sets = (name: string, value: string) => `pg_catalog.set_config('${name}', ${value}, true)`

/** A path for the scope. */
export const searches = (path: string) => sets('search_path', path)

/** For levels whose scopes run as the application itself, whatever role somebody left on the session. */
export const ITSELF = `case when $1::pg_catalog.bool then 'none' end`

/** Acknowledged means durable (hazard v). */
export const STILL_DURABLE = `pg_catalog.current_setting('synchronous_commit') operator(pg_catalog.=)
    any (array['on', 'remote_apply']::pg_catalog.text[])`

const DURABLY = `case when not (${STILL_DURABLE}) then ${sets('synchronous_commit', `'on'`)} end`

/** What was set is still so. */
export const still = (value: string, expected: string) => `${value} operator(pg_catalog.=) ${expected}`

export const stillSearches = (path: string) => still(`pg_catalog.current_setting('search_path')`, path)

/** The parameters that open a scope. `seed` is null where nobody can have chosen the session's. */
export function entering(gate: Gate, limits: GateLimits, seed: string | null): GateValues {
  const { statementTimeout, lockTimeout, idleTimeout } = limits
  return ['true', seed, `${statementTimeout}`, `${lockTimeout}`, `${idleTimeout}`, ...gate.values]
}

/** The parameters that leave one: nothing but locks, seed and role. */
export function leaving(gate: Gate, seed: string): GateValues {
  return ['false', seed, null, null, null, ...gate.values.map(() => null)]
}
