import { OWN_PATH } from '../sql/own-path.ts'

// What code inside of a room left in the session: found, and taken away.

/** Limits of the administrator's transaction, in milliseconds, put back behind the call. */
export interface Limits {
  readonly lockTimeout: number
  readonly statementTimeout: number
}

/** In the message of the error that {@link left} raises. */
export const ESCAPED = 'pg_tenant:escaped'

/** Likewise, where the path is another. */
export const ESCAPED_PATH = `${ESCAPED}_path`

// Inside of a room no code can change `role`.
const INSIDE = `current_user operator(pg_catalog.<>)
    case pg_catalog.current_setting('role') when 'none' then session_user else pg_catalog.current_setting('role')::pg_catalog.name end`

/**
 * Asked right behind a call, before anything else: raises where code inside has prepared a statement, or changed the path. What is
 * prepared outlives a rollback, so a session in which it was found must be given up; where nothing was found, what is there was
 * prepared by no SQL. Never sent under a name behind a call, where that may be another statement by now; but it may be bound ahead
 * of the call, to the unnamed portal, which no SQL can replace: CLOSE ALL takes it away, and then it fails. FETCH in PL/pgSQL, of
 * a cursor named '', runs it early, and it would have nothing more to say: so it raises inside, and a portal that has failed stays so.
 *
 * @param path an expression, of `RoomCall.path`
 */
export const left = (path: string): string =>
  [
    'select case',
    // guard: z: what is asked behind a room is not answered inside of it
    `when ${INSIDE} then ${raising(ESCAPED)}`,
    `when exists (select from pg_catalog.pg_prepared_statement() p where p.from_sql) then ${raising(ESCAPED)}`,
    `when pg_catalog.current_setting('search_path') operator(pg_catalog.<>) ${path}::pg_catalog.text then ${raising(ESCAPED_PATH)}`,
    'else 0 end',
  ].join(' ')

const raising = (what: string) => `pg_catalog.concat('${what}')::pg_catalog.int8`

/** Sent behind that. A held cursor would run its query inside COMMIT. */
export const clearing = (limits: Limits): string[] => [
  'reset all',
  `set local search_path to ${OWN_PATH}`,
  ...['close all', 'unlisten *', 'discard temp'],
  settled(limits),
]

const settled = ({ lockTimeout, statementTimeout }: Limits) => `select case
  when current_user operator(pg_catalog.=) session_user
  then pg_catalog.num_nulls(pg_catalog.pg_advisory_unlock_all(),
    pg_catalog.set_config('lock_timeout', '${lockTimeout}', true),
    pg_catalog.set_config('statement_timeout', '${statementTimeout}', true))
  else pg_catalog.concat('${ESCAPED}')::pg_catalog.int8 end`
