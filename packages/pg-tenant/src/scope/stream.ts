import { type Row, TenancyError } from '@org/core'
import type { Step } from '../driver/exchange.ts'
import { bind, close, describe, execute, parse } from '../driver/messages.ts'
import { invalid } from '../errors/invalid.ts'
import type { Level } from './level.ts'
import { nextPortal } from './portal.ts'
import { ResultSink } from './result.ts'
import { type QueryConfig, toStatement } from './statement.ts'

export interface StreamOptions {
  /** Rows fetched in one round trip and held in memory, 1 to 10,000 (default 500). */
  readonly batchSize?: number
}

/**
 * Streams a result through a portal (manual 54.2.3). Each batch is a job of its own on the level, so that other
 * statements can run in between.
 */
export async function* stream<R = Row>(
  level: Level,
  query: string | QueryConfig,
  values: readonly unknown[] | undefined,
  { batchSize = 500 }: StreamOptions = {},
): AsyncGenerator<R, void, undefined> {
  if (!Number.isInteger(batchSize) || batchSize < 1 || batchSize > 10_000) {
    throw invalid('batchSize', 'a whole number from 1 to 10000')
  }
  const statement = toStatement(query, values)
  const portal = nextPortal('stream')
  let sink: ResultSink | undefined
  let more = true
  let first = true
  try {
    while (more) {
      const rows = await level.enqueue(async () => {
        const session = await level.transaction.connect()
        sink ??= new ResultSink(statement, session.types)
        const reader = sink
        more = false
        const open = [parse('', statement.text), bind(portal, '', statement.values), describe(portal)]
        const step: Step = {
          phase: 'statement',
          bytes: Buffer.concat([...(first ? open : []), execute(portal, batchSize)]),
          sink: {
            describe: (fields) => reader.describe(fields),
            row: (fields) => reader.row(fields),
            complete: (tag) => reader.complete(tag),
            suspended: () => {
              more = true
            },
          },
        }
        first = false
        await level.send(() => [step])
        reader.result(false)
        return reader.takeRows() as R[]
      })
      yield* rows
    }
  } finally {
    if (more && !first) await closePortal(level, portal)
  }
}

/** Closing frees the portal's locks and memory before the scope ends; if the scope is over, it is gone anyway. */
async function closePortal(level: Level, portal: string): Promise<void> {
  if (level.ended || level.failure || level.transaction.doom) return
  try {
    await level.enqueue(() =>
      level.send(() => [{ phase: 'statement', bytes: Buffer.concat([close('P', portal), NOTHING]) }]),
    )
  } catch (error) {
    if (!(error instanceof TenancyError)) throw error
  }
}

/** An empty statement: Close has no answer of its own that counts as a step. */
const NOTHING = Buffer.concat([parse('', ''), bind('', '', []), execute('', 0)])
