import type { Row } from '@org/core'
import { TenancyError } from '@org/core'
import type { FieldDef } from 'pg'
import Result from 'pg/lib/result.js'
import type { Sink } from '../driver/exchange.ts'
import type { TypeParsers } from '../driver/type-parsers.ts'
import type { Statement } from './statement.ts'
import { Decoding, FIRST_NORMAL_OID } from './types/decoding.ts'
import type { Question } from './types/look-up.ts'
import type { LearnedType } from './types/shape.ts'
import type { TenantTypes } from './types/tenant-types.ts'

/** A column of a result. */
export interface Field {
  readonly name: string
  /** OID of the table it comes from, or 0. */
  readonly tableID: number
  /** Its number in that table, or 0. */
  readonly columnID: number
  /**
   * OID of the data type. For a type that was looked up and that tenants have each for themselves: of the built-in type its
   * values are read as (`text[]` for an array of an enum), so that it is the same for every tenant.
   */
  readonly dataTypeID: number
  /** Name of a data type that was looked up: `mood[]`. */
  readonly dataTypeName?: string
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

/** Whose types a result may have. */
export interface ResultOf {
  readonly place: string
  readonly known: TenantTypes | undefined
  /** Statements that a connection keeps for it. */
  readonly keeps: number
}

/** Rows whose types have to be looked up. */
interface Held {
  readonly oids: readonly number[]
  readonly fields: FieldDef[]
  readonly rows: (string | null)[][]
}

/** Collects what a statement answers, decoded as `pg` would decode it. */
export class ResultSink implements Sink {
  /** The whole command tag, e.g. `INSERT 0 1`. */
  tag = ''
  readonly #result: Result
  readonly #tenant: ResultOf
  readonly #decoding: Decoding | undefined
  /** The rows as they came, while a type among the columns is not known yet. */
  #held: Held | undefined
  #learned: readonly (LearnedType | undefined)[] = []
  #broken = false

  constructor(
    statement: Pick<Statement, 'rowMode' | 'types' | 'extent'>,
    defaults: TypeParsers,
    tenant: ResultOf,
  ) {
    const types = statement.types ?? defaults
    const { known, place } = tenant
    this.#tenant = tenant
    if (known) this.#decoding = new Decoding(types, { known, place, extent: statement.extent })
    this.#result = new Result(statement.rowMode, this.#decoding ?? types)
  }

  // A type parser is the caller's code: whatever it throws must not reach the socket's handler.

  describe(fields: FieldDef[]): void {
    try {
      const oids = this.#decoding?.missing(fields) ?? []
      if (oids.length > 0) this.#held = { oids, fields, rows: [] }
      else this.#begin(fields)
    } catch {
      this.#broken = true
    }
  }

  row(fields: (string | null)[]): void {
    if (this.#broken) return
    if (this.#held) this.#held.rows.push(fields)
    else this.#read(fields)
  }

  /** Whether rows wait for their types to be looked up. */
  get waits(): boolean {
    return this.#held !== undefined
  }

  /**
   * Reads the rows, once what was not known of their types has been looked up. To be called before they are taken.
   *
   * @param lookUp asks the catalogue, where the statement's own types are seen
   */
  async settle(lookUp: (question: Question) => Promise<void>): Promise<void> {
    const held = this.#held
    const { known, place } = this.#tenant
    if (!held || !known) return
    await lookUp({ known, place, oids: held.oids })
    this.#held = undefined
    try {
      this.#begin(held.fields)
    } catch {
      this.#broken = true
    }
    for (const row of held.rows) if (!this.#broken) this.#read(row)
  }

  complete(tag: string): void {
    this.tag = tag
    // An empty query has none, which pg would take for a word.
    if (tag !== '') this.#result.addCommandComplete({ text: tag })
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
    return {
      command: command ?? '',
      rowCount,
      rows: rows as R[],
      fields: fields.map((field, at) => plain(field, this.#learned[at])),
    }
  }

  #begin(fields: FieldDef[]): void {
    this.#result.addFields(fields)
    const decoding = this.#decoding
    // What is PostgreSQL's own was not learned, and that is nearly everything.
    if (fields.some(({ dataTypeID }) => dataTypeID >= FIRST_NORMAL_OID))
      this.#learned = fields.map(({ dataTypeID }) => decoding?.find(dataTypeID))
  }

  #read(row: (string | null)[]): void {
    try {
      this.#result.addRow(this.#result.parseRow(row))
    } catch {
      this.#broken = true
    }
  }
}

/** Without what the driver's own class of fields may hold besides. */
function plain(field: FieldDef, learned: LearnedType | undefined): Field {
  const { name, tableID, columnID, dataTypeID, dataTypeSize, dataTypeModifier, format } = field
  const plain = { name, tableID, columnID, dataTypeID, dataTypeSize, dataTypeModifier, format }
  if (!learned) return plain
  const { name: dataTypeName, readAs, shared } = learned
  return { ...plain, dataTypeID: shared ? dataTypeID : readAs, dataTypeName }
}

function unreadable(committed: boolean): TenancyError {
  return new TenancyError(
    'RESULT_UNREADABLE',
    `A type parser threw while reading the rows; the statement itself succeeded${committed ? ' and is committed' : ''}.`,
    { details: { committed } },
  )
}
