import type { EventEmitter } from 'node:events'
import { Readable, Writable } from 'node:stream'
import { TenancyError } from '@org/core'
import { CopyExchange, CopyStalled } from '../driver/copy-exchange.ts'
import { fromCall } from '../errors/from-database.ts'
import { isServerError } from '../errors/server-error.ts'
import { tracedStatement } from '../observe/traced.ts'
import type { Block } from './block.ts'

/** `COPY … FROM STDIN`: gives the stream to write to once the server has accepted the statement. */
export function copyFrom(block: Block, sql: string, given: (stream: Writable) => void): Promise<void> {
  const told = unlessReturned(block)
  return lend(block, sql, given, (copy, over) => {
    const stream = new Writable({
      write: (chunk: Buffer, _, done) => copy.send(chunk, done),
      final: (done) => {
        over.then(() => done(), told(done))
        copy.finish()
      },
      destroy: (error, done) => {
        copy.fail()
        over.catch(() => {}).finally(() => done(error))
      },
    })
    // The server may refuse the data before the last of it is written.
    over.catch(told((error) => stream.destroy(error)))
    return { stream, data: () => {} }
  })
}

/** `COPY … TO STDOUT`: gives the stream to read from when the first data is there. */
export function copyTo(block: Block, sql: string, given: (stream: Readable) => void): Promise<void> {
  const told = unlessReturned(block)
  return lend(block, sql, given, (copy, over) => {
    const stream = new Readable({
      read: () => copy.resume(),
      destroy: (error, done) => {
        copy.resume()
        done(error)
      },
    })
    over.then(
      () => stream.push(null),
      told((error) => stream.destroy(error)),
    )
    const data = (chunk: Buffer) => {
      if (!stream.destroyed && !stream.push(chunk)) copy.pause()
    }
    return { stream, data }
  })
}

/** A failure of a COPY that the callback forgot is told by the scope; a pipeline nobody awaits would end the process with it. */
function unlessReturned(block: Block): (tell: (error: Error) => void) => (error: Error) => void {
  return (tell) => (error) => {
    if (!block.returned) tell(error)
  }
}

interface Ends<S extends EventEmitter> {
  readonly stream: S
  data(chunk: Buffer): void
}

/** Runs a COPY until it is over. A failed one fails the block. */
async function lend<S extends EventEmitter>(
  block: Block,
  sql: string,
  given: (stream: S) => void,
  make: (copy: CopyExchange, over: Promise<void>) => Ends<S>,
): Promise<void> {
  const { promise: over, resolve: succeed, reject: fail } = Promise.withResolvers<void>()
  let ends: Ends<S> | undefined
  const start = (): Ends<S> => {
    if (ends) return ends
    ends = make(copy, over)
    // The scope fails with it, so that nobody else need listen: without a listener an error ends the process.
    ends.stream.on('error', () => {})
    given(ends.stream)
    return ends
  }
  const copy = new CopyExchange(
    sql,
    {
      started: start,
      data: (chunk) => start().data(chunk),
      over: (error) => {
        if (error) {
          fail(coded(error))
        } else {
          start()
          succeed()
        }
      },
    },
    block.transaction.settings.idleTimeout,
  )
  await tracedStatement(block.transaction.trace, sql, async () => {
    await block.lend(copy, over)
    return {}
  })
}

function coded(error: Error): TenancyError {
  if (isServerError(error)) return fromCall(error)
  if (error instanceof CopyStalled) {
    return new TenancyError(
      'TIMEOUT',
      'Nobody wrote to or read from the COPY stream for longer than idleTimeout; nothing was committed.',
    )
  }
  return new TenancyError('CONNECTION_LOST', 'The connection was lost during COPY; nothing was committed.')
}
