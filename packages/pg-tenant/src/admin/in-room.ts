import { randomBytes } from 'node:crypto'
import { SQLSTATE, TenancyError } from '@org/core'
import { isServerError, type ServerError, withDriverError } from '../errors/server-error.ts'
import { quoteLiteral } from '../sql/identifier.ts'
import { ESCAPED_PATH, left } from './room-left.ts'
import { mayBePending } from './room-pending.ts'
import { asking, pendingCall, type Room, type RoomCall, roomCall, roomQuery, setPath } from './tenant-room.ts'
import { ADMIN_LIMITS, type Admin, entersRoom, roomsOf } from './transaction.ts'

/**
 * Executes statements that may run a tenant's code, with nobody's rights but the tenant's: see {@link Room}. In the
 * administrator's transaction; behind it settings are those of {@link inAdminTransaction} again.
 *
 * @param files statements that belong together; behind the last of each deferred constraints are checked
 * @param failed what to throw when a statement failed: by its number over all files, from 0
 * @param patience milliseconds for each statement, of all statements together: a trigger may sleep for ever
 * @returns milliseconds, one number for each file
 * @throws TenancyError STATEMENT_REFUSED when deferred triggers are left for COMMIT; TIMEOUT
 */
export async function runInRoom(
  admin: Admin,
  room: Room,
  files: readonly (readonly string[])[],
  failed: (error: unknown, statement: number) => unknown = (error) => error,
  patience: number = STATEMENT_MS,
): Promise<number[]> {
  const call = roomCall(room, files, ADMIN_LIMITS)
  const most = Math.min(MOST_MS, patience * Math.max(1, call.statements))
  const bounded = { ...call, make: [...call.make, `set local statement_timeout = ${most}`] }
  const began = performance.now()
  const rows = await enter(admin, room, bounded, asking(call), failed).catch((error: unknown) => {
    const late = isServerError(error) && error.code === SQLSTATE.QUERY_CANCELED
    throw late && performance.now() - began >= most ? tooLong(error, most) : error
  })
  return call.timed ? rows.map(({ ms }) => Number(ms)) : [Math.round(performance.now() - began)]
}

/**
 * The rows of one query that may run a tenant's code: a query over its tables, for instance.
 *
 * @param columns what it answers, as in a FROM clause: `body text, n bigint`; the types must be those of the query
 */
export async function readInRoom(
  admin: Admin,
  room: Room,
  query: string,
  columns: string,
): Promise<Record<string, unknown>[]> {
  const call = roomQuery(room, query, ADMIN_LIMITS)
  return await enter(
    admin,
    room,
    call,
    `select * from ${call.name}($1) as answer (${columns})`,
    (error) => error,
  )
}

/**
 * The same for COPY, which takes no values: `read` copies from what it is given, as it stands behind FROM. The query runs
 * when that does, whole and inside; a COPY of it sends what was kept.
 */
export async function withRoomQuery(
  admin: Admin,
  room: Room,
  query: string,
  columns: string,
  read: (from: string) => Promise<void>,
): Promise<void> {
  const call = roomQuery(room, query, ADMIN_LIMITS)
  entersRoom(admin)
  await admin.run(call.make.join(';'))
  const tag = `$q${randomBytes(12).toString('hex')}$`
  const texts = call.texts.map((text) => `${tag}${text}${tag}`)
  await read(`${call.name}(array[${texts.join()}]) as answer (${columns})`)
  await leave(admin, room, call)
}

/** Milliseconds a statement of a migration or an archive may take, unless somebody says otherwise: an hour. */
export const STATEMENT_MS = 3_600_000

/** The largest integer of PostgreSQL's settings, and of Node's timers: 24 days. */
export const MOST_MS = 2_147_483_647

function tooLong(error: ServerError, ms: number): TenancyError {
  const message =
    `Statements that run with the tenant’s rights took longer than ${ms} ms, so nothing was kept. Does one of the tenant’s ` +
    'triggers or functions wait? Drop it, or run migrate, which takes a statementTimeout.'
  return withDriverError(new TenancyError('TIMEOUT', message, { details: { timeoutMs: ms } }), error)
}

/** Triggers that COMMIT would run, where it is not the tenant's any more. */
export function leftPending(error: ServerError): TenancyError {
  const table = error.table ?? null
  const message =
    `At the end deferred triggers of ${table ?? 'a table'} were still waiting: one of them makes others wait again, as with SET ` +
    'CONSTRAINTS … DEFERRED. They would run inside COMMIT, behind everything that is checked. Nothing was kept; take that out of ' +
    'the trigger’s function, or drop the trigger.'
  const details = { table, sqlState: error.code }
  return withDriverError(new TenancyError('STATEMENT_REFUSED', message, { details }), error)
}

async function enter(
  admin: Admin,
  room: Room,
  call: RoomCall,
  text: string,
  failed: (error: unknown, statement: number) => unknown,
): Promise<Record<string, unknown>[]> {
  // Statements prepared and advisory locks taken inside outlive a rollback.
  entersRoom(admin, roomsOf(call.timed ? 2 : 1))
  const path = call.path === null ? [] : [setPath(quoteLiteral(call.path))]
  await admin.run([...call.make, ...path].join(';'))
  const rows = await admin.run(text, [call.texts]).catch((error: unknown) => {
    const statement = isServerError(error) ? call.failedAt(error) : undefined
    throw statement === undefined ? error : failed(error, statement)
  })
  await leave(admin, room, call).catch((error: unknown) => {
    throw isServerError(error) && error.message.includes(ESCAPED_PATH)
      ? failed(error, call.statements - 1)
      : error
  })
  return rows
}

/** @throws TenancyError STATEMENT_REFUSED when deferred triggers are left for COMMIT */
async function leave(admin: Admin, room: Room, call: RoomCall): Promise<void> {
  try {
    await admin.run(tidying(call))
    const [row] = await admin.run(`select ${mayBePending(room)} as may`, [room.owner ?? null])
    if (row?.may !== true) return
    const check = pendingCall(room, ADMIN_LIMITS)
    await admin.run(check.make.join(';'))
    await admin.run(asking(check), [check.texts])
    await admin.run(tidying(check))
  } catch (error) {
    throw isServerError(error) && isPending(error) ? leftPending(error) : error
  }
}

const tidying = ({ path, leave: { next, last } }: RoomCall): string =>
  [left(path === null ? 'null' : quoteLiteral(path)), ...next, ...last].join(';')

/** Whether an error behind a call says that triggers are pending. DISCARD TEMP says it of a temporary table. */
export const isPending = ({ code }: ServerError): boolean => code === SQLSTATE.OBJECT_IN_USE
