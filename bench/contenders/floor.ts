import type pg from 'pg'
// The message writer of pg is no dependency of this folder; the library's own few lines over it are at hand.
import {
  bind,
  describe,
  execute,
  parse,
  SYNC,
  statement,
} from '../../packages/pg-tenant/src/driver/messages.ts'
import { SCOPED } from './statement.ts'

const BEGIN = 'bench_begin'
const COMMIT = 'bench_commit'
const prepared = new WeakSet<pg.PoolClient>()

/**
 * The least that can be sent for one statement in a transaction with a search path of its own: one message, no
 * checks, no limits, no clean-up, no role. What it costs more than the bare statement is the price of a transaction
 * in the server, which no library can give back.
 */
export async function floor(pool: pg.Pool, schema: string, id: number): Promise<object[]> {
  const client = await pool.connect()
  const known = prepared.has(client)
  prepared.add(client)
  const rows = await new Promise<object[]>((resolve, reject) => {
    client.query(new Exchange(messages(schema, id, known), resolve, reject))
  })
  client.release()
  return rows
}

function messages(schema: string, id: number, known: boolean): Buffer {
  const parts = [
    bind('', BEGIN, []),
    execute('', 0),
    statement(`set local search_path to "${schema}", public`),
  ]
  if (!known) parts.unshift(parse(BEGIN, 'begin'), parse(COMMIT, 'commit'))
  parts.push(parse('', SCOPED), bind('', '', [String(id)]), describe(''), execute('', 0))
  parts.push(bind('', COMMIT, []), execute('', 0), SYNC)
  return Buffer.concat(parts)
}

interface Field {
  readonly name: string
}

/** As small a query of pg's kind as there can be; all columns come as text. */
class Exchange {
  readonly #bytes: Buffer
  readonly #resolve: (rows: object[]) => void
  readonly #reject: (error: Error) => void
  readonly #rows: object[] = []
  #fields: readonly Field[] = []

  constructor(bytes: Buffer, resolve: (rows: object[]) => void, reject: (error: Error) => void) {
    this.#bytes = bytes
    this.#resolve = resolve
    this.#reject = reject
  }

  submit(connection: pg.Connection): void {
    connection.stream.write(this.#bytes)
  }

  handleRowDescription(message: { fields: readonly Field[] }): void {
    this.#fields = message.fields
  }

  handleDataRow(message: { fields: readonly (string | null)[] }): void {
    const row: Record<string, string | null> = {}
    for (const [at, { name }] of this.#fields.entries()) row[name] = message.fields[at] ?? null
    this.#rows.push(row)
  }

  handleCommandComplete(): void {}

  handleReadyForQuery(): void {
    this.#resolve(this.#rows)
  }

  handleError(error: Error): void {
    this.#reject(error)
  }
}
