import { MAX_IDENTIFIER_BYTES, TenancyError } from '@org/core'
import type { Sink, Step } from '../driver/exchange.ts'
import { anew, bind, close, describe, execute, parse, SCRATCH } from '../driver/messages.ts'
import type { Session } from '../driver/session.ts'
import { tracedStatement } from '../observe/traced.ts'
import { firstWords } from '../sql/first-words.ts'
import type { Block } from './block.ts'
import type { Steps } from './conversation.ts'
import { keptName, makeRoom } from './kept.ts'
import { isForbiddenTag } from './refuse.ts'
import { type QueryResult, type ResultOf, ResultSink } from './result.ts'
import type { Statement } from './statement.ts'
import type { Transaction } from './transaction.ts'
import type { Question } from './types/look-up.ts'

/** Callers' prepared statements kept on one connection; beyond that, statements run unnamed. */
const MAX_PREPARED = 200

/** Tags of statements that change no table's shape by themselves. */
const PLAIN = /^(?:SELECT|INSERT|UPDATE|DELETE|MERGE)/

/** One statement on a block, checked before and after. */
export function runStatement<R>(block: Block, statement: Statement): Promise<QueryResult<R>> {
  const { transaction } = block
  const run = new StatementRun(statement, resultOf(transaction))
  return block.enqueue(() =>
    tracedStatement(transaction.trace, statement.text, async () => {
      await block.send(run.steps)
      if (isForbiddenTag(run.sink.tag)) throw transaction.escape()
      if (!PLAIN.test(run.sink.tag)) transaction.conversation.kept.doubt()
      if (run.sink.waits) await run.sink.settle((question) => lookUp(block, question))
      return run.sink.result<R>(false)
    }),
  )
}

/** First words of statements that may be queued: what they answer can be no transaction command. */
const QUEUED: ReadonlySet<string> = new Set(['insert', 'update', 'delete', 'merge', 'select', 'with'])

/**
 * Puts one statement in front of whatever is sent next. Its answer is read by nobody; a refusal dooms the transaction,
 * because nothing shows which of the caller's calls is to blame.
 *
 * @throws TenancyError STATEMENT_REFUSED for anything but INSERT, UPDATE, DELETE, MERGE, SELECT and WITH
 */
export async function queueStatement(block: Block, statement: Statement): Promise<void> {
  const [first = ''] = firstWords(statement.text).words
  if (!QUEUED.has(first)) {
    throw new TenancyError(
      'STATEMENT_REFUSED',
      'db.queue takes INSERT, UPDATE, DELETE, MERGE, SELECT or WITH.',
    )
  }
  const { transaction } = block
  const { place } = transaction.conversation.entrance
  await block.enqueue(async () => {
    if (transaction.trace) transaction.trace.statements++
    transaction.conversation.queue((session) => asQueued(stepOf(statement, {}, session, { place, keeps: 0 })))
  })
}

function asQueued({ afresh, ...step }: Step): Step {
  return { ...step, phase: 'queued', ...(afresh && { afresh: () => asQueued(afresh()) }) }
}

/** A caller's statement on its way: what to send, and what has been answered. */
export class StatementRun {
  readonly steps: Steps
  #sink: ResultSink | undefined

  constructor(statement: Statement, tenant: ResultOf) {
    this.steps = (session) => {
      this.#sink = new ResultSink(statement, session.types, tenant)
      return [stepOf(statement, this.#sink, session, tenant)]
    }
  }

  /** Once it has been sent. */
  get sink(): ResultSink {
    if (!this.#sink) throw new RangeError('nothing was sent')
    return this.#sink
  }
}

/** Looks types up that a result has and nobody knew. */
export async function lookUp(block: Block, question: Question): Promise<void> {
  const { lookUpWithin } = await import('./types/look-up.ts')
  await lookUpWithin(block, question)
}

/** Whose types the results of a transaction may have. */
export function resultOf({ conversation: { entrance, settings } }: Transaction): ResultOf {
  return { place: entrance.place, known: settings.types, keeps: settings.keepStatements }
}

/** What parses the texts that came lately in the scratch slot: how many are kept, and how long they may be, in characters. */
const parsings = new Map<string, Buffer>()
const MAX_TEXTS = 500
const MAX_LENGTH = 2_000

function parsing(text: string): Buffer {
  const known = parsings.get(text)
  if (known) return known
  const bytes = anew(SCRATCH, text)
  if (text.length > MAX_LENGTH) return bytes
  if (parsings.size >= MAX_TEXTS) parsings.clear()
  // In a memory of its own: a piece of the common one would keep all of that.
  parsings.set(text, Buffer.from(Uint8Array.from(bytes).buffer))
  return bytes
}

/** Describes what was bound, and runs it. */
const RUN = Buffer.concat([describe(''), execute('', 0)])

/**
 * The messages of a caller's statement. Under a name it is kept apart by schema: plans are never shared by tenants. One without
 * is kept for its tenant where the tenancy says so.
 */
function stepOf(
  statement: Statement,
  sink: Sink,
  session: Session,
  { place, keeps }: Pick<ResultOf, 'place' | 'keeps'>,
): Step {
  const { text, values } = statement
  const { memory, slot } = session
  const own = statement.name === undefined
  const name = own ? keptName(text, session, place, keeps) : `${statement.name}@${place}`
  if (name !== '' && memory.direct === true && Buffer.byteLength(name) <= MAX_IDENTIFIER_BYTES) {
    const { prepared } = memory
    const preparing = (): Step => {
      session.names()
      const room = own ? makeRoom(memory, text, keeps) : []
      const bytes = Buffer.concat([...room, close('S', name), parse(name, text), bind('', name, values), RUN])
      return { phase: 'statement', bytes, sink, runs: name, prepares: { name, text } }
    }
    if (prepared.get(name) === text) {
      // What is used last stays longest.
      if (own) prepared.delete(name)
      prepared.set(name, text)
      const bytes = Buffer.concat([bind('', name, values), RUN])
      const step: Step = { phase: 'statement', bytes, sink, runs: name }
      return statement.steady ? step : { ...step, afresh: preparing }
    }
    if (own || prepared.size < MAX_PREPARED || prepared.has(name)) return preparing()
  }
  const anew = slot === '' ? parse('', text) : parsing(text)
  const bytes = Buffer.concat([anew, bind('', slot, values), RUN])
  if (slot === '') return { phase: 'statement', bytes, sink, prepares: { name: '', text } }
  return { phase: 'statement', bytes, sink }
}
