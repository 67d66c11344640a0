import Result from 'pg/lib/result.js'
import { prepareValue } from 'pg/lib/utils.js'
import { connectTo } from './checkout.ts'
import type { Step } from './exchange.ts'
import { memoryOf } from './memory.ts'
import { anew, bind, describe, execute, statement } from './messages.ts'
import { Session } from './session.ts'
import { isWireClient, type PoolLike } from './types.ts'

/** Undoes what whoever had the session before us has left on it: a role, settings, a search path among them. */
const CLEAR = ['set session authorization default', 'reset all']

/**
 * One statement as whoever the pool logs in, in one round trip, whatever an earlier user of the session left on it.
 *
 * @param patienceMs milliseconds of silence after which the connection is given up
 * @throws TenancyError POOL_EXHAUSTED or CONNECTION_LOST when there is no connection
 * @throws the server's own error when it refuses the statement
 */
export async function ask(
  pool: PoolLike,
  text: string,
  values: readonly unknown[],
  patienceMs = 60_000,
): Promise<Record<string, unknown>[]> {
  const client = await connectTo(pool)
  if (!isWireClient(client)) return await askAny(client, text, values)
  const session = new Session(client, memoryOf(client))
  const result = new Result(undefined, session.types)
  const step = read(session, result, text, values)
  const outcome = await session.send([...cleared(session), step], patienceMs)
  if (outcome.kind !== 'done') {
    session.destroy()
    throw outcome.error
  }
  session.release(session.untouched ? session.memory.served : undefined)
  return result.rows as Record<string, unknown>[]
}

/** A driver whose wire we cannot speak on, such as pg-native; scopes refuse it. */
async function askAny(
  client: Awaited<ReturnType<PoolLike['connect']>>,
  text: string,
  values: readonly unknown[],
): Promise<Record<string, unknown>[]> {
  try {
    const { rows } = await client.query(text, [...values])
    client.release()
    return rows as Record<string, unknown>[]
  } catch (error) {
    client.release(true)
    throw error
  }
}

function cleared({ untouched, slot }: Session): Step[] {
  if (untouched) return []
  return CLEAR.map((sql) => ({ phase: 'clean', bytes: statement(sql, slot) }))
}

function read({ slot }: Session, result: Result, text: string, values: readonly unknown[]): Step {
  const bound = bind(
    '',
    slot,
    values.map((value) => prepareValue(value)),
  )
  return {
    phase: 'statement',
    bytes: Buffer.concat([anew(slot, text), bound, describe(''), execute('', 0)]),
    sink: {
      describe: (fields) => result.addFields(fields),
      row: (fields) => result.addRow(result.parseRow(fields)),
      complete: () => {},
    },
    ...(slot === '' && { prepares: { name: '', text } }),
  }
}
