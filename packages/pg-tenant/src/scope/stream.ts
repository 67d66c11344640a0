import { type Row, TenancyError } from '@org/core'
import type { Step } from '../driver/exchange.ts'
import { anew, bind, close, describe, execute, type Slot, statement } from '../driver/messages.ts'
import { tracedStatement } from '../observe/traced.ts'
import type { Block } from './block.ts'
import { nextPortal } from './control.ts'
import { ResultSink } from './result.ts'
import { lookUp, resultOf } from './run-statement.ts'
import type { StreamStatement } from './statement.ts'

/**
 * Rows through a portal (manual 54.2.3). Each batch is a job of its own on the block, so that other statements can run
 * in between.
 */
export async function* rowsOf<R = Row>(
  block: Block,
  query: StreamStatement,
): AsyncGenerator<R, void, undefined> {
  const portal = nextPortal()
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
        if (!more) block.transaction.conversation.queue(({ slot }) => closing(slot, portal))
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
