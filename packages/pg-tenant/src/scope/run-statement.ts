import type { Step } from '../driver/exchange.ts'
import { bind, close, describe, execute, parse } from '../driver/messages.ts'
import type { Session } from '../driver/session.ts'
import { escaped } from '../errors/from-scope.ts'
import { SQLSTATE } from '../errors/sqlstate.ts'
import type { Level } from './level.ts'
import { isForbiddenTag } from './refuse.ts'
import { type QueryResult, ResultSink } from './result.ts'
import { type Statement, toStatement } from './statement.ts'

/** Callers' prepared statements kept on one connection; beyond that, statements run unnamed. */
const MAX_PREPARED = 200

/** One statement on a level, checked before and after. */
export async function runStatement<R>(
  level: Level,
  query: unknown,
  values: unknown,
): Promise<QueryResult<R>> {
  const statement = toStatement(query, values)
  return level.enqueue(async () => {
    const session = await level.transaction.connect()
    const sink = new ResultSink(statement, session.types)
    try {
      await level.send([stepOf(statement, sink, session, level.transaction.entrance.place)])
    } catch (error) {
      forgetStale(error, session)
      throw error
    }
    if (isForbiddenTag(sink.tag)) {
      // It got past the guard, so it may have changed the session: never commit, never reuse.
      level.transaction.doom = escaped()
      session.destroy()
      throw level.transaction.doom
    }
    return sink.result<R>(false)
  })
}

/** The messages of a caller's statement. Under a name it is kept apart by schema: plans are never shared by tenants. */
export function stepOf(statement: Statement, sink: ResultSink, session: Session, place: string): Step {
  const { text, values } = statement
  const run = (name: string) => [bind('', name, values), describe(''), execute('', 0)]
  const { prepared, direct } = session.memory
  const name = statement.name === undefined ? '' : `${statement.name}@${place}`
  if (name !== '' && direct === true && Buffer.byteLength(name) <= 63) {
    if (prepared.get(name) === text) return { phase: 'statement', bytes: Buffer.concat(run(name)), sink }
    if (prepared.size < MAX_PREPARED || prepared.has(name)) {
      const bytes = Buffer.concat([close('S', name), parse(name, text), ...run(name)])
      return { phase: 'statement', bytes, sink, prepares: { name, text } }
    }
  }
  return { phase: 'statement', bytes: Buffer.concat([parse('', text), ...run('')]), sink }
}

/** After a schema change a kept plan can never run again on this connection (hazard k): do not keep the connection. */
function forgetStale(error: unknown, session: Session): void {
  const { sqlState } = (error as { details?: { sqlState?: unknown } }).details ?? {}
  if (sqlState === SQLSTATE.FEATURE_NOT_SUPPORTED || sqlState === SQLSTATE.INVALID_STATEMENT_NAME)
    session.retire()
}
