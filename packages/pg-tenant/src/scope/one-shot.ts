import type { ScopeTrace, TenantKey } from '@org/core'
import type { Isolation } from '../isolation/isolation.ts'
import { tracedStatement } from '../observe/statement.ts'
import type { ScopeSettings } from './options.ts'
import type { QueryResult } from './result.ts'
import { resultOf, StatementRun } from './run-statement.ts'
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
  trace?: ScopeTrace | undefined,
): Promise<QueryResult<R>> {
  const transaction = new Transaction(isolation.poolOf(tenant), isolation.entranceOf(tenant), settings, trace)
  const run = new StatementRun(statement, resultOf(transaction))
  try {
    return await tracedStatement(trace, statement.text, async () => {
      await transaction.commit(run.steps)
      await run.sink.settle(async (question) => {
        const { lookUpApart } = await import('./types/look-up.ts')
        await lookUpApart(isolation.poolOf(tenant), settings, question)
      })
      return run.sink.result<R>(true)
    })
  } catch (error) {
    await transaction.rollback(false)
    throw error
  }
}
