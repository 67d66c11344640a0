import type { TenantKey } from '@org/core'
import type { Isolation } from '../isolation/isolation.ts'
import type { ScopeSettings } from './options.ts'
import { type QueryResult, ResultSink } from './result.ts'
import { stepOf } from './run-statement.ts'
import type { Statement } from './statement.ts'
import { Transaction } from './transaction.ts'

/**
 * One statement in a scope of its own, in one round trip: opening, statement, check and COMMIT leave in one message.
 * (With `resolveUnknownOutcome` COMMIT waits for the transaction id: two trips.)
 */
export async function runOneShot<R>(
  isolation: Isolation,
  tenant: TenantKey,
  statement: Statement,
  settings: ScopeSettings,
): Promise<QueryResult<R>> {
  const transaction = new Transaction(isolation.poolOf(tenant), isolation.entranceOf(tenant), settings)
  try {
    const session = await transaction.connect()
    const sink = new ResultSink(statement, session.types)
    await transaction.commit([stepOf(statement, sink, session, transaction.entrance.place)])
    return sink.result<R>(true)
  } catch (error) {
    await transaction.rollback(false)
    throw error
  }
}
