import { randomBytes } from 'node:crypto'
import type { ServerError } from '../errors/server-error.ts'
import { qualify, quoteIdentifier, quoteLiteral } from '../sql/identifier.ts'
import { OWN_PATH } from '../sql/own-path.ts'
import { clearing, ESCAPED, type Limits } from './room-left.ts'
import { NOTHING_PENDING, NOTHING_PENDING_ELSEWHERE } from './room-pending.ts'

/**
 * The one place where SQL that may run a tenant's code (triggers, CHECKs, defaults, casts, operators, rules, policies,
 * index expressions, views …) runs in an administrator's session.
 *
 * `SET ROLE tenant` is no boundary: `set_config('role', 'none', true)` in any function undoes it. Inside a
 * `SECURITY DEFINER` function PostgreSQL refuses every change of role (manual, SET ROLE and SET SESSION AUTHORIZATION),
 * in all that is called from it too. So the statements are executed by such a function, which the tenant's role owns.
 *
 * It is made for one call, under a name nobody knew, and called once: its owner may replace it or make it
 * `SECURITY INVOKER`, also from within that very call. One that was there before is never trusted.
 */
export interface Room {
  /** Where the function is made: the tenant's schema, in which its role may create. */
  readonly schema: string
  /**
   * Whose rights are to be had inside; `undefined` where there is nobody but the administrator: then there must be no code of
   * anybody else in the schema.
   */
  readonly owner: string | undefined
  /** The search path inside; it ends with the call. */
  readonly searchPath: string
  /** Whether somebody else, who is no administrator, may have tables that the owner may write: at level `schema` the application. */
  readonly shared?: boolean
  /** Other settings inside, e.g. `row_security`: `off`. */
  readonly settings?: Readonly<Record<string, string>>
}

/** What one call sends, in this order, in one transaction of the administrator whose path is pinned. */
export interface RoomCall {
  /** Makes the function and gives it away. */
  readonly make: readonly string[]
  /** The function's name, to be called once: `select … from ${name}($n)`, `$n` being `texts`. */
  readonly name: string
  /** The statements to be executed, and what stands between files. */
  readonly texts: readonly string[]
  /** How many statements there are. */
  readonly statements: number
  /** Whether it answers a row for each file: the milliseconds it took. */
  readonly timed: boolean
  /**
   * The path to be set between `make` and the call, which `left` must find again behind it; null where the function sets its
   * own. A function that compares paths by itself costs 300 k instructions of the server's, and each plan that it leaves behind slows
   * all later changes of tables.
   */
  readonly path: string | null
  /** Takes away what code inside left behind in the session, then the function. */
  readonly leave: Leaving
  /** Which statement failed, from 0: what is outermost in the error's context says it, whatever the code inside wrote. */
  failedAt(error: Failed): number | undefined
}

/** What is sent behind a call and `left`, in this order. */
export interface Leaving {
  /** The same for every tenant. */
  readonly next: readonly string[]
  /** Of this call. */
  readonly last: readonly string[]
}

type Failed = Pick<ServerError, 'message' | 'internalQuery' | 'where'>

/** In the message of the error where the schema holds code of somebody else that would run as the administrator. */
export const FOREIGN_CODE = 'pg_tenant:foreign_code'

// Where the administrator owns the tables, names in a migration would find what the application made beside them. Owners of
// extensions and shared code are superusers, the administrator, or roles whose rights it has.
export const noForeignCode = (schema: string) => `select case when not exists (
  select from (
    select proowner as owner from pg_catalog.pg_proc where pronamespace = n.oid
    union all select oprowner from pg_catalog.pg_operator where oprnamespace = n.oid
    union all select typowner from pg_catalog.pg_type where typnamespace = n.oid and typtype in ('d', 'r', 'm')
    union all select relowner from pg_catalog.pg_class where relnamespace = n.oid
      and (relhasrules or exists (select from pg_catalog.pg_trigger t where t.tgrelid = pg_class.oid and not t.tgisinternal))
  ) made join pg_catalog.pg_roles r on r.oid = made.owner
  where not r.rolsuper and not pg_catalog.pg_has_role(session_user, r.oid, 'usage')
) then 0 else pg_catalog.concat('${FOREIGN_CODE}')::pg_catalog.int8 end
from pg_catalog.pg_namespace n where n.nspname = ${quoteLiteral(schema)}`

// What PL/pgSQL knows of a function stays in the session when the function is gone, a plan for each of its expressions; every
// change of a table walks through all of them. So they are few, however many statements there are: those come as values,
// under EXECUTE, which keeps nothing.
const ELAPSED = `(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() operator(pg_catalog.-) began)
  operator(pg_catalog.*) 1000)::pg_catalog.int8`

const BEGAN = 'began pg_catalog.timestamptz := pg_catalog.clock_timestamp();'
const PATH = `path pg_catalog.text := pg_catalog.current_setting('search_path');`
const LINE = 'line pg_catalog.text;'

// What changes its path makes its objects elsewhere.
const SAME_PATH = `if pg_catalog.current_setting('search_path') operator(pg_catalog.<>) path then
  raise exception using errcode = '22P02', message = pg_catalog.concat('${ESCAPED} ', line); end if;`

const RUN_FILE = 'foreach line in array texts loop execute line; end loop;'

// Behind each file what begins with `ends`.
const RUN_FILES = (ends: string) => `foreach line in array texts loop
  if pg_catalog.starts_with(line, ${quoteLiteral(ends)}) then
    ${SAME_PATH}
    return next ${ELAPSED};
    began := pg_catalog.clock_timestamp();
  else execute line; end if;
end loop;`

const DEFERRED = 'set constraints all immediate'

/** A call that executes `files` of statements; where there are several it answers a row for each: the milliseconds it took. */
export function roomCall(room: Room, files: readonly (readonly string[])[], limits: Limits): RoomCall {
  const name = nameOf()
  const timed = files.length > 1
  let statement = -1
  const texts = files.flatMap((file) => [
    ...file.map((text) => `${text}\n${tag(name, ++statement)}`),
    `${DEFERRED} ${tag(name, statement)}`,
    ...(timed ? [tag(name, statement)] : []),
  ])
  const code = timed
    ? { answers: 'setof pg_catalog.int8', declares: LINE + PATH + BEGAN, lines: [RUN_FILES(`/* ${name} `)] }
    : { answers: 'pg_catalog.void', declares: LINE, lines: [RUN_FILE] }
  const path = timed ? null : room.searchPath
  return { ...callOf(room, name, code, limits, path), texts, statements: statement + 1, timed }
}

/** What calls it, where it answers no rows of a query. $1 its texts. */
export const asking = ({ name, timed }: RoomCall): string =>
  timed ? `select ms from ${name}($1) as ms` : `select ${name}($1)`

/**
 * A call that answers the rows of one query, materialised inside: `select * from ${name}($1) as t (column type, …)`. A
 * portal that is fetched from outside would run the tenant's code as the administrator.
 */
export function roomQuery(room: Room, query: string, limits: Limits): RoomCall {
  const name = nameOf()
  const texts = [`${query}\n${tag(name, 0)}`, `${DEFERRED} ${tag(name, 0)}`]
  const lines = ['return query execute texts[1];', 'execute texts[2];']
  const code = { answers: 'setof pg_catalog.record', declares: '', lines }
  return { ...callOf(room, name, code, limits), texts, statements: 1 }
}

/** Sent behind another call: as the owner it can find out what the administrator cannot. It raises `pg_tenant:pending`. */
export function pendingCall({ schema, owner, shared }: Room, limits: Limits): RoomCall {
  const lines = [NOTHING_PENDING, ...(shared ? [NOTHING_PENDING_ELSEWHERE] : [])]
  const code = { answers: 'pg_catalog.void', declares: 'pending pg_catalog.regclass;', lines }
  return callOf({ schema, owner, searchPath: OWN_PATH }, nameOf(), code, limits)
}

const nameOf = () => `_room_${randomBytes(12).toString('hex')}`

/** Behind a statement: it says in the error's context which one failed. */
const tag = (name: string, statement: number) => `/* ${name} ${statement} */`

/** What a function is made of. */
interface Code {
  readonly answers: string
  readonly declares: string
  readonly lines: readonly string[]
}

function callOf(
  room: Room,
  bare: string,
  { answers, declares, lines }: Code,
  limits: Limits,
  path: string | null = null,
): RoomCall {
  const name = qualify(room.schema, bare)
  const body = [`declare ${declares} begin`, ...lines, 'end'].join('\n')
  const settings = Object.entries({
    ...(path === null && { search_path: room.searchPath }),
    ...room.settings,
  })
  const made = [
    `create function ${name}(texts pg_catalog.text[]) returns ${answers}`,
    'language plpgsql volatile security definer',
    ...settings.map(([setting, value]) => `set ${setting} to ${value}`),
    `as $room$${body}$room$`,
  ].join(' ')
  // Made by the administrator, whose default privileges are in force, and then given away: no role is taken at all.
  const alone = room.owner === undefined ? [noForeignCode(room.schema)] : []
  const given =
    room.owner === undefined ? [] : [`alter function ${name} owner to ${quoteIdentifier(room.owner)}`]
  return {
    make: [...alone, made, ...given],
    name,
    texts: [],
    statements: 0,
    timed: false,
    path,
    leave: {
      next: clearing(limits),
      last: [`drop function if exists ${name}(pg_catalog.text[])`, ...alone],
    },
    failedAt: (error) => lastTag(bare, error),
  }
}

/** Sets {@link RoomCall.path}. */
export const setPath = (path: string): string => `select pg_catalog.set_config('search_path', ${path}, true)`

/** How a statement of a room is marked: the function that sends it, and which of its statements it is. */
const TAG = /\/\* (\w{1,63}) (\d{1,9}) \*\//g

/**
 * The context ends with the room's own call, the statement's text before it; a statement that could not be parsed is the
 * error's `internalQuery` instead. Behind them all that code inside may have written.
 */
function lastTag(bare: string, { message, internalQuery, where }: Failed): number | undefined {
  const all = [message, internalQuery, where].flatMap((text) => [...(text ?? '').matchAll(TAG)])
  const found = all.findLast(([, name]) => name === bare)
  return found && Number(found[2])
}
