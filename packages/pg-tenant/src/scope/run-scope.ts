import type { ScopeTrace, TenantKey } from '@org/core'
import type { PoolLike } from '../driver/types.ts'
import { aborted } from '../errors/from-scope.ts'
import type { Isolation } from '../isolation/isolation.ts'
import { tracedStatement } from '../observe/traced.ts'
import { Block, currentBlock } from './block.ts'
import { createHandle } from './handle.ts'
import type { ScopeSettings } from './options.ts'
import { notAwaited, swallowed } from './refuse.ts'
import type { QueryResult, ResultSink } from './result.ts'
import { resultOf, StatementRun } from './run-statement.ts'
import type { Statement } from './statement.ts'
import type { TenantDb } from './tenant-db.ts'
import { Transaction } from './transaction.ts'

/**
 * One scope from begin to end: runs `fn` with a handle, then commits, or rolls back and says why. A scope that ran
 * nothing still opens once, so that a tenant that is not there never passes for one that is.
 */
export function runScope<T>(
  owner: object,
  isolation: Isolation,
  tenant: TenantKey,
  fn: (db: TenantDb) => Promise<T>,
  settings: ScopeSettings,
  trace?: ScopeTrace | undefined,
): Promise<T> {
  return runBlock(owner, isolation, tenant, (block) => fn(createHandle(block)), settings, trace)
}

/** The same for what needs no handle. */
export async function runBlock<T>(
  owner: object,
  isolation: Isolation,
  tenant: TenantKey,
  body: (block: Block) => Promise<T>,
  settings: ScopeSettings,
  trace?: ScopeTrace | undefined,
): Promise<T> {
  const transaction = new Transaction(isolation.poolOf(tenant), isolation.entranceOf(tenant), settings, trace)
  const block = new Block(owner, tenant, transaction)
  const { signal } = settings
  if (signal?.aborted) throw aborted(signal)
  try {
    const work = currentBlock.run(block, async () => body(block))
    const value = signal ? await abortable(work, block, signal) : await work
    const forgotten = block.finish()
    if (forgotten && (await forgotten)) throw notAwaited()
    const failure = transaction.doom ?? block.failure
    if (failure) throw transaction.doom ?? swallowed(failure)
    await transaction.commit()
    return value
  } catch (error) {
    if (!block.ended) await block.finish()
    await transaction.rollback(signal?.aborted === true)
    throw error
  }
}

/** Settles as `work` does, or rejects as soon as the signal fires; the handle is dead from then on. */
function abortable<T>(work: Promise<T>, block: Block, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      block.end(() => aborted(signal))
      reject(aborted(signal))
    }
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
    // The callback itself may have fired it, before anyone listened.
    if (signal.aborted) onAbort()
  })
}

/**
 * One statement in a scope of its own, in one round trip: opening, statement, check and COMMIT leave in one message.
 * (With `resolveUnknownOutcome` COMMIT waits for the transaction id: two trips.)
 */
export function runOneShot<R>(
  isolation: Isolation,
  tenant: TenantKey,
  statement: Statement,
  settings: ScopeSettings,
  trace?: ScopeTrace | undefined,
): Promise<QueryResult<R>> {
  const pool = isolation.poolOf(tenant)
  const transaction = new Transaction(pool, isolation.entranceOf(tenant), settings, trace)
  if (!trace) return runAlone<R>(transaction, statement, pool)
  return tracedStatement(trace, statement.text, () => runAlone<R>(transaction, statement, pool))
}

async function runAlone<R>(
  transaction: Transaction,
  statement: Statement,
  pool: PoolLike,
): Promise<QueryResult<R>> {
  const run = new StatementRun(statement, resultOf(transaction))
  try {
    await transaction.commit(run.steps)
    if (run.sink.waits) await lookUpAfterCommit(run.sink, transaction, pool)
    return run.sink.result<R>(true)
  } catch (error) {
    await transaction.rollback(false)
    throw error
  }
}

/** Looks types up that the result has and nobody knew; their scope is over, so in a transaction of its own. */
async function lookUpAfterCommit(sink: ResultSink, { settings }: Transaction, pool: PoolLike): Promise<void> {
  const code = await import('./types/look-up.ts')
  await sink.settle((question) => code.lookUpAfterCommit(pool, settings, question))
}
