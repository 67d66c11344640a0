// How COPY writes a row, and what becomes of it. In both forms COPY ends a row with one line feed.

/** How tables are written. */
export type ExportFormat = 'jsonl' | 'csv'

export interface LineFormat {
  readonly extension: string
  /** Whether a row is one JSON text, made on the server. */
  readonly json: boolean
  /** COPY around a query. */
  copy(query: string): string
  /** A row as COPY sent it, as it is written. */
  line(row: Buffer): Buffer
}

const QUOTE = 1
const LINE_FEED = 10
const CARRIAGE_RETURN = 13
const SPACE = 32
const CRLF = Buffer.from('\r\n')

/** RFC 4180: lines end in CRLF, a header first. NULL is an empty field, the empty text is `""`. */
const csv: LineFormat = {
  extension: 'csv',
  json: false,
  copy: (query) => `copy (${query}) to stdout (format csv, header true)`,
  line: (row) => Buffer.concat([row.subarray(0, -1), CRLF]),
}

/**
 * One JSON object a line. COPY's csv with a quote that JSON cannot hold sends the text as it is; only a `json` value
 * written over several lines comes quoted, and its line ends become blanks (they are between tokens, never in a string).
 */
const jsonl: LineFormat = {
  extension: 'jsonl',
  json: true,
  copy: (query) =>
    `copy (${query}) to stdout (format csv, quote e'\\x01', escape e'\\x01', delimiter e'\\x02')`,
  line: (row) => {
    if (row[0] !== QUOTE) return row
    const inner = Buffer.from(row.subarray(1, -2))
    for (let at = 0; at < inner.length; at++) {
      if (inner[at] === LINE_FEED || inner[at] === CARRIAGE_RETURN) inner[at] = SPACE
    }
    return Buffer.concat([inner, Buffer.of(LINE_FEED)])
  },
}

export const FORMATS: Readonly<Record<ExportFormat, LineFormat>> = { jsonl, csv }
