import { qualify, quoteLiteral } from '../sql/identifier.ts'
import { IS_WHOLE, refusesTorn, WHOLE } from './whole.ts'

/**
 * A query of three rows, bound to a portal when the scope opens. The first two are fetched at once: the first takes locks and
 * seed from whoever left them, the second sets limits, path and role. The last is fetched right before COMMIT: fetching it
 * raises unless everything still is as the second set it. Where a function is the pin, it is a row of its own between them, which
 * costs no parsing; a row is prepared when it is fetched, so that the rights it needs are those of the role that the second set.
 *
 * A portal cannot outlive its transaction (manual 54.2.3), so after a smuggled COMMIT, ROLLBACK or AND CHAIN the
 * next fetch fails by itself: the portal is the scope's nonce (hazard f).
 *
 * Behind COMMIT it is bound once more, to leave: its first row then gives back what a session holds beyond its settings.
 */
export interface Gate {
  readonly forms: GateForms
  /** What follows the parameters that every gate has ({@link entering}, {@link leaving}). */
  readonly values: readonly string[]
}

export interface GateForm {
  readonly text: string
  /** Left out for sessions that come with the scope's limits as their own. */
  readonly setsLimits: boolean
  /** Left out for sessions whose own commits are durable. */
  readonly setsDurable: boolean
  /** Whether it is left by one call ({@link LeaveFunction}). */
  readonly callsLeave: boolean
}

/** All forms of a gate. */
export interface GateForms {
  readonly all: readonly GateForm[]
  readonly leave: LeaveFunction | undefined
}

/** Rows that open a scope, ahead of the pin. */
export const ENTERING_ROWS = 2

/**
 * A gate's parameters: whether the scope opens and the seed of `random()`, or where a function leaves it the seed and whether
 * names stay, both null when it opens; those of the level, and where they are set the limits.
 */
export type GateValues = readonly (string | null)[]

/** Server-side limits of a scope, in milliseconds, each from 1 to 86,400,000 (a day); none can be switched off. */
export interface Limits {
  /** How long one statement may run (default 30,000; PostgreSQL `statement_timeout`). */
  readonly statementTimeout: number
  /** How long one statement may wait for a lock (default 10,000; `lock_timeout`). */
  readonly lockTimeout: number
  /** How long the scope may sit between statements (default 60,000; `idle_in_transaction_session_timeout`). */
  readonly idleTimeout: number
}

/** What each limit is for PostgreSQL, and its default. All else that knows of limits asks here. */
const SETTINGS: Readonly<Record<keyof Limits, readonly [setting: string, ms: number]>> = {
  statementTimeout: ['statement_timeout', 30_000],
  lockTimeout: ['lock_timeout', 10_000],
  idleTimeout: ['idle_in_transaction_session_timeout', 60_000],
}

const LIMITED = Object.keys(SETTINGS) as (keyof Limits)[]

/** The limits as PostgreSQL's settings. */
export const LIMITS: readonly (readonly [setting: string, limit: keyof Limits])[] = LIMITED.map((limit) => [
  SETTINGS[limit][0],
  limit,
])

/** A value for each limit. */
export const eachLimit = <T>(of: (limit: keyof Limits) => T): Record<keyof Limits, T> =>
  Object.fromEntries(LIMITED.map((limit) => [limit, of(limit)])) as Record<keyof Limits, T>

export const DEFAULT_LIMITS: Limits = eachLimit((limit) => SETTINGS[limit][1])

export interface GateParts {
  /** Parameters of the level: from `$3` on. */
  readonly count: number
  /** Settings that make the scope the tenant's ({@link sets}), and whatever else raises unless it may be opened. */
  readonly enters: readonly string[]
  /** The parameter that says who it runs as. */
  readonly role: string
  /** What must still be true before COMMIT. */
  readonly holds: readonly string[]
  /** A pin that is an expression ({@link Entrance.pin}). */
  readonly pins?: string
  /** Whether other nodes commit the tenant's part of it. */
  readonly distributed?: boolean
}

/** The forms of a gate: with what a session may come with and without it, and all again where there is a function to leave by. */
export function gateForms(parts: GateParts, leave: LeaveFunction | undefined): GateForms {
  const all = (leave ? [undefined, leave] : [undefined]).flatMap((by) =>
    [true, false].flatMap((setsLimits) =>
      [true, false].map((setsDurable) => ({
        text: gateText(parts, setsLimits, setsDurable, by),
        setsLimits,
        setsDurable,
        callsLeave: by !== undefined,
      })),
    ),
  )
  return { all, leave }
}

/**
 * The text of a gate. Every name and operator in it is qualified or a keyword, so that nothing in a path can stand in for it
 * (hazard l), neither when it is parsed nor when it is planned again. Its length counts: the server copies it nine times a scope.
 *
 * - `num_nulls` only gathers the calls, left to right: one function is cheaper than a chain of comparisons. The limits come
 *   first, so that they hold for the rest; who the scope runs as comes last.
 * - Functions that are given null do nothing. Settings are RESET ALL's when a scope is left.
 * - The first row tells whether the session has a schema for temporary objects: 0, and 1 where it has none. It never loses one.
 * - The cast at the end is what raises: `concat` is not folded when the query is planned, as a constant would be.
 * - VALUES, because it prepares each row when it is fetched; UNION would prepare all. That is why leaving has a short row.
 */
function gateText(
  parts: GateParts,
  setsLimits: boolean,
  setsDurable: boolean,
  leave: LeaveFunction | undefined,
): string {
  const { count, enters, role, holds, pins, distributed } = parts
  const limits = setsLimits ? LIMITS.map(([name], at) => sets(name, `$${3 + count + at}`)) : []
  const settings = [...limits, ...(setsDurable ? [DURABLY] : []), ...enters, sets('role', role)]
  const whole = distributed ? [refusesTorn(leave ? `${leave.whole}()` : IS_WHOLE)] : []
  const still = [...holds, ...whole]
  const rows = [
    leave ? leavesBy(leave) : RESTS,
    `pg_catalog.num_nulls(${settings.join(', ')})`,
    ...(pins === undefined ? [] : [`pg_catalog.num_nulls(${pins})`]),
    `case when ${still.join(' and ')} then 0 else pg_catalog.concat('pg_tenant:scope_escaped')::int end`,
  ]
  return `values (${rows.join('), (')})`
}

/** Leaves a session by the function, where a seed is given; it opens nothing but sessions that were left by it. */
const leavesBy = ({ name }: LeaveFunction) => `case when $1::float is not null then ${name}($1, $2) end`

/** Takes over a session where no function has left it, or leaves one: locks, seed and role. */
const RESTS = `case when $1::pg_catalog.bool then pg_catalog.num_nulls(
    pg_catalog.pg_advisory_unlock_all(),
    pg_catalog.setseed($2::pg_catalog.float8))
  when pg_catalog.num_nulls(
    pg_catalog.pg_advisory_unlock_all(),
    pg_catalog.setseed($2::pg_catalog.float8),
    pg_catalog.set_config('role', null, false)) is not null
  and pg_catalog.pg_my_temp_schema() operator(pg_catalog.<>) 0::pg_catalog.oid then 0 else 1 end`

/** A setting of the scope, until COMMIT. */
export const sets = (name: string, value: string) => `pg_catalog.set_config('${name}', ${value}, true)`

/** A path for the scope. */
export const searches = (path: string) => sets('search_path', path)

/** For levels whose scopes run as the application itself, whatever role somebody left on the session. */
export const ITSELF = `'none'`

/** What `synchronous_commit` may be. */
export const DURABLE: readonly string[] = ['on', 'remote_apply']

/** Acknowledged means durable (hazard v). */
export const STILL_DURABLE = `pg_catalog.current_setting('synchronous_commit') operator(pg_catalog.=) any (array[${DURABLE.map(quoteLiteral).join(', ')}])`

const DURABLY = `case when not (${STILL_DURABLE}) then ${sets('synchronous_commit', `'on'`)} end`

/** What was set is still so. */
export const still = (value: string, expected: string) => `${value} operator(pg_catalog.=) ${expected}`

export const stillSearches = (path: string) => still(`pg_catalog.current_setting('search_path')`, path)

/** What a session has by itself of what a scope sets. */
export interface Own {
  /** `undefined` where scopes of others have had other limits. */
  readonly limits: Partial<Limits> | undefined
  readonly durable: boolean
}

/**
 * The form of a gate for such a session.
 *
 * @param callsLeave whether the session may call the function that leaves it
 */
export function formFor({ forms }: Gate, limits: Limits, own: Own, callsLeave: boolean): GateForm {
  const setsLimits = !LIMITED.every((limit) => own.limits?.[limit] === limits[limit])
  const setsDurable = !own.durable
  const form = forms.all.find(
    (one) =>
      one.setsLimits === setsLimits && one.setsDurable === setsDurable && one.callsLeave === callsLeave,
  )
  if (!form) throw new RangeError('a gate without that form')
  return form
}

/** The parameters that open a scope. `seed` is null where nobody can have chosen the session's. */
export function entering(gate: Gate, form: GateForm, limits: Limits, seed: string | null): GateValues {
  const set = form.setsLimits ? LIMITS.map(([, limit]) => `${limits[limit]}`) : []
  return [...(form.callsLeave ? [null, null] : ['true', seed]), ...gate.values, ...set]
}

/** The parameters that leave one. `keepsNames`: statements that its callers have named stay, where the gate does it all. */
export function leaving(gate: Gate, form: GateForm, seed: string, keepsNames: boolean): GateValues {
  const limits = form.setsLimits ? LIMITS.map(() => null) : []
  const first = form.callsLeave ? [seed, `${keepsNames}`] : ['false', seed]
  return [...first, ...gate.values.map(() => null), ...limits]
}

/** Its name counts its releases: what a session has planned is never replaced under it. */
export const LEAVE = 'leave_scope_1'

/** The function that leaves a session (registry/leave-function.ts), as gates know it. */
export interface LeaveFunction {
  readonly name: string
  /** What lies beside it where schemas are distributed ({@link WHOLE}). */
  readonly whole: string
  /**
   * Whether a session may believe in it: there, the administrator's own (nobody else's can lie in that schema) and callable; and
   * who is logged in can never become the administrator, who could replace it.
   */
  readonly there: string
}

export function leaveFunction({ controlSchema }: { readonly controlSchema: string }): LeaveFunction {
  const [schema, name] = [quoteLiteral(controlSchema), quoteLiteral(LEAVE)]
  return {
    name: qualify(controlSchema, LEAVE),
    whole: qualify(controlSchema, WHOLE),
    there: `exists (select from pg_catalog.pg_proc p
      join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) p.pronamespace
    where n.nspname operator(pg_catalog.=) ${schema} and p.proname operator(pg_catalog.=) ${name}
      and p.proowner operator(pg_catalog.=) n.nspowner
      and pg_catalog.has_schema_privilege(session_user, n.oid, 'usage')
      and pg_catalog.has_function_privilege(session_user, p.oid, 'execute')
      and not pg_catalog.has_schema_privilege(session_user, n.oid, 'create')
      and not pg_catalog.pg_has_role(session_user, n.nspowner, 'member'))`,
  }
}
