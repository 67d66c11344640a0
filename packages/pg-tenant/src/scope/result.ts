import type { Row } from '@org/core'
import { TenancyError } from '@org/core'
import type { FieldDef } from 'pg'
import Result from 'pg/lib/result.js'
import type { Sink } from '../driver/exchange.ts'
import type { TypeParsers } from '../driver/type-parsers.ts'
import type { Statement } from './statement.ts'

/** A column of a result. */
export interface Field {
  readonly name: string
  /** OID of the table it comes from, or 0. */
  readonly tableID: number
  /** Its number in that table, or 0. */
  readonly columnID: number
  /** OID of the data type. */
  readonly dataTypeID: number
  /** Bytes a value takes; negative if that varies. */
  readonly dataTypeSize: number
  readonly dataTypeModifier: number
  /** How values came: always `text`. */
  readonly format: string
}

/** What a query resolves to: plain data in `pg`'s shape, and no way to the connection (hazard aa). */
export interface QueryResult<R = Row> {
  /** First word of the command tag, e.g. `INSERT`. */
  readonly command: string
  readonly rowCount: number | null
  readonly rows: R[]
  readonly fields: readonly Field[]
}

/** Collects what a statement answers, decoded as `pg` would decode it. */
export class ResultSink implements Sink {
  /** The whole command tag, e.g. `INSERT 0 1`. */
  tag = ''
  readonly #result: Result
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
  assertReadable(committed: boolean): void {
    if (this.#broken) throw unreadable(committed)
  }

  /** @throws TenancyError RESULT_UNREADABLE when a type parser threw */
  result<R>(committed: boolean): QueryResult<R> {
    this.assertReadable(committed)
    const { command, rowCount, rows, fields } = this.#result
    return { command: command ?? '', rowCount, rows: rows as R[], fields: fields.map(plain) }
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

/** Without what the driver's own class of fields may hold besides. */
function plain(field: FieldDef): Field {
  const { name, tableID, columnID, dataTypeID, dataTypeSize, dataTypeModifier, format } = field
  return { name, tableID, columnID, dataTypeID, dataTypeSize, dataTypeModifier, format }
}

function unreadable(committed: boolean): TenancyError {
  return new TenancyError(
    'RESULT_UNREADABLE',
    `A type parser threw while reading the rows; the statement itself succeeded${committed ? ' and is committed' : ''}.`,
    { details: { committed } },
  )
}
