import { randomBytes } from 'node:crypto'
import { isServerError } from '../errors/server-error.ts'
import { type Room, type RoomCall, roomCall, roomQuery } from './tenant-room.ts'
import { ADMIN_LIMITS, type Admin, giveUpOnFailure } from './transaction.ts'

/**
 * Executes statements that may run a tenant's code, with nobody's rights but the tenant's: see {@link Room}. In the
 * administrator's transaction; behind it settings are those of {@link inAdminTransaction} again.
 *
 * @param files statements that belong together; behind the last of each deferred constraints are checked
 * @param failed what to throw when a statement failed: by its number over all files, from 0
 * @returns milliseconds, one number for each file
 */
export async function runInRoom(
  admin: Admin,
  room: Room,
  files: readonly (readonly string[])[],
  failed: (error: unknown, statement: number) => unknown = (error) => error,
): Promise<number[]> {
  const call = roomCall(room, files, ADMIN_LIMITS)
  const rows = await enter(admin, call, `select spent from ${call.name}($1) spent`, failed)
  return rows.map(({ spent }) => Number(spent))
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
  return await enter(admin, call, `select * from ${call.name}($1) as answer (${columns})`, (error) => error)
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
  giveUpOnFailure(admin)
  await admin.run(call.make.join(';'))
  const tag = `$q${randomBytes(12).toString('hex')}$`
  await read(`${call.name}(array[${tag}${query}${tag}]) as answer (${columns})`)
  await admin.run(call.leave.join(';'))
}

async function enter(
  admin: Admin,
  call: RoomCall,
  text: string,
  failed: (error: unknown, statement: number) => unknown,
): Promise<Record<string, unknown>[]> {
  // Statements prepared and advisory locks taken inside outlive a rollback.
  giveUpOnFailure(admin)
  await admin.run(call.make.join(';'))
  const rows = await admin.run(text, [call.texts]).catch((error: unknown) => {
    const statement = isServerError(error) ? call.failedAt(error) : undefined
    throw statement === undefined ? error : failed(error, statement)
  })
  await admin.run(call.leave.join(';'))
  return rows
}
