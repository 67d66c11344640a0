import { type Row, TenancyError } from '@org/core'
import type { Step } from '../driver/exchange.ts'
import { anew, bind, close, describe, execute, type Slot, statement } from '../driver/messages.ts'
import { invalid } from '../errors/invalid.ts'
import { tracedStatement } from '../observe/statement.ts'
import type { Block } from './block.ts'
import { nextPortal } from './fresh.ts'
import { ResultSink } from './result.ts'
import { lookUp, resultOf } from './run-statement.ts'
import { type QueryConfig, type Statement, toStatement } from './statement.ts'

export interface StreamOptions {
  /** Rows fetched in one round trip and held in memory, 1 to 10,000 (default 500). */
  readonly batchSize?: number
}

/** @throws TenancyError INVALID_OPTION */
function batchSizeOf({ batchSize = 500 }: StreamOptions = {}): number {
  if (Number.isInteger(batchSize) && batchSize >= 1 && batchSize <= 10_000) return batchSize
  throw invalid('batchSize', 'a whole number from 1 to 10000')
}

/** What a handle gives for a stream: an iterator whose every promise is the block's to answer for. */
export function stream<R>(
  block: Block,
  query: string | QueryConfig,
  values: readonly unknown[] | undefined,
  options: StreamOptions | undefined,
): AsyncIterableIterator<R, void, undefined> {
  const rows = rowsOf<R>(
    block,
    now(() => ({ ...toStatement(query, values), batchSize: batchSizeOf(options) })),
  )
  const iterator = {
    next: () => block.hand(rows.next()),
    return: () => block.hand(rows.return()),
    throw: (error: unknown) => block.hand(rows.throw(error)),
    [Symbol.asyncIterator]: () => iterator,
    [Symbol.asyncDispose]: async () => void (await iterator.return()),
  }
  return Object.freeze(iterator)
}

/** Works something out at once, so that values are those of the call, and tells what it threw when it is asked for. */
function now<T>(work: () => T): () => T {
  try {
    const value = work()
    return () => value
  } catch (error) {
    return () => {
      throw error
    }
  }
}

interface StreamStatement extends Statement {
  readonly batchSize: number
}

/**
 * Rows through a portal (manual 54.2.3). Each batch is a job of its own on the block, so that other statements can run
 * in between.
 */
async function* rowsOf<R = Row>(
  block: Block,
  asked: () => StreamStatement,
): AsyncGenerator<R, void, undefined> {
  const query = asked()
  const portal = nextPortal('stream')
  let reader: ResultSink | undefined
  let more = true
  try {
    while (more) {
      const rows = await block.enqueue(async () => {
        const session = await block.transaction.connect()
        const first = reader === undefined
        reader ??= new ResultSink(query, session.types, resultOf(block.transaction))
        more = false
        const suspended = () => {
          more = true
        }
        const step = batch(query, reader, { portal, first, slot: session.slot, suspended })
        await tracedStatement(block.transaction.trace, query.text, async () => {
          await block.send(() => [step])
          return {}
        })
        // At its end a portal still holds its tables, so that an ALTER behind it would fail (55006).
        if (!more) block.transaction.queue(({ slot }) => closing(slot, portal))
        await reader.settle((question) => lookUp(block, question))
        reader.assertReadable(false)
        return reader.takeRows() as R[]
      })
      yield* rows
    }
  } finally {
    if (more && reader) await closePortal(block, portal)
  }
}

interface Batch {
  readonly portal: string
  readonly first: boolean
  readonly slot: Slot
  /** There are more rows. */
  suspended(): void
}

function batch({ text, values, batchSize }: StreamStatement, reader: ResultSink, how: Batch): Step {
  const { portal, first, slot, suspended } = how
  const open = first ? [anew(slot, text), bind(portal, slot, values), describe(portal)] : []
  return {
    phase: 'statement',
    bytes: Buffer.concat([...open, execute(portal, batchSize)]),
    sink: {
      describe: (fields) => reader.describe(fields),
      row: (fields) => reader.row(fields),
      complete: (tag) => reader.complete(tag),
      suspended,
    },
    ...(first && slot === '' && { prepares: { name: '', text } }),
  }
}

/** Closing frees the portal's locks and memory before the scope ends; if the scope is over, it is gone anyway. */
async function closePortal(block: Block, portal: string): Promise<void> {
  if (block.ended || block.failure || block.transaction.doom) return
  try {
    await block.enqueue(() => block.send(({ slot }) => [closing(slot, portal)]))
  } catch (error) {
    if (!(error instanceof TenancyError)) throw error
  }
}

/** With an empty statement: Close has no answer of its own that counts as a step. */
function closing(slot: Slot, portal: string): Step {
  const bytes = Buffer.concat([close('P', portal), statement('', slot)])
  return { phase: 'statement', bytes, ...(slot === '' && { prepares: { name: '', text: '' } }) }
}
