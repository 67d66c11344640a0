import type { Row } from '@org/core'
import { TenancyError } from '@org/core'
import Result from 'pg/lib/result.js'
import type { Sink } from '../driver/exchange.ts'
import type { TypeParsers } from '../driver/type-parsers.ts'
import type { Statement } from './statement.ts'

/** A column of a result. */
export interface Field {
  readonly name: string
  /** OID of the data type. */
  readonly dataTypeID: number
  readonly tableID: number
  readonly columnID: number
  readonly dataTypeModifier: number
}

/** What a query resolves to, in `pg`'s shape. */
export interface QueryResult<R = Row> {
  readonly rows: R[]
  readonly rowCount: number | null
  /** First word of the command tag, e.g. `INSERT`. */
  readonly command: string
  readonly fields: readonly Field[]
}

/** Collects what a statement answers, decoded as `pg` would decode it. */
export class ResultSink implements Sink {
  /** The whole command tag, e.g. `INSERT 0 1`. */
  tag = ''
  #result: Result
  #broken = false

  constructor(statement: Pick<Statement, 'rowMode' | 'types'>, defaults: TypeParsers) {
    this.#result = new Result(statement.rowMode, statement.types ?? defaults)
  }

  describe(fields: never[]): void {
    this.#guard(() => this.#result.addFields(fields))
  }

  row(fields: (string | null)[]): void {
    if (!this.#broken) this.#guard(() => this.#result.addRow(this.#result.parseRow(fields)))
  }

  complete(tag: string): void {
    this.tag = tag
    this.#result.addCommandComplete({ text: tag })
  }

  /** Rows collected since the last call (for streams). */
  takeRows(): unknown[] {
    const { rows } = this.#result
    this.#result.rows = []
    return rows
  }

  /** @throws TenancyError RESULT_UNREADABLE when a type parser threw */
  result<R>(committed: boolean): QueryResult<R> {
    if (this.#broken) throw unreadable(committed)
    return this.#result as unknown as QueryResult<R>
  }

  /** A type parser is the caller's code: whatever it throws must not reach the socket's handler. */
  #guard(decode: () => void): void {
    try {
      decode()
    } catch {
      this.#broken = true
    }
  }
}

function unreadable(committed: boolean): TenancyError {
  return new TenancyError(
    'RESULT_UNREADABLE',
    `A type parser threw while reading the rows; the statement itself succeeded${committed ? ' and is committed' : ''}.`,
    { details: { committed } },
  )
}
