// The parts of `pg` that pg-cursor and pg-query-stream build on as well; pg ships no types for them.

declare module 'pg/lib/result.js' {
  import type { FieldDef } from 'pg'
  import type { TypeParsers } from './type-parsers.ts'

  /** Decodes rows as `pg` itself does. */
  export default class Result {
    constructor(rowMode: 'array' | undefined, types: TypeParsers | undefined)
    command: string | null
    rowCount: number | null
    oid: number | null
    rows: unknown[]
    fields: FieldDef[]
    addFields(fields: FieldDef[]): void
    parseRow(fields: readonly (string | null)[]): unknown
    addRow(row: unknown): void
    addCommandComplete(message: { text: string }): void
  }
}

declare module 'pg/lib/utils.js' {
  /** Turns a JavaScript value into what Bind carries: text, bytes or null. */
  export function prepareValue(value: unknown): string | Buffer | null
}

declare module 'pg/lib/connection.js' {
  import type { EventEmitter } from 'node:events'

  export default class Connection extends EventEmitter {
    constructor(config: { ssl?: unknown; sslNegotiation?: string })
    readonly stream: { destroy(): void; unref(): void }
    connect(port: number | string, host?: string): void
    requestSsl(): void
    cancel(processId: number, secretKey: number): void
  }
}
