import { namesIn } from '../../sql/scan.ts'
import { unreadable } from '../format/format.ts'

/** A piece of the rows of one table, as COPY text. */
export interface DumpedRows {
  readonly table: string
  /** The table they are of, as the comment ahead of them says. */
  readonly entry: string
  readonly columns: readonly string[]
  readonly data: Buffer
}

const LINE_FEED = 10
/** What a line outside of rows may have at most: a name has 63 bytes, quoted 128, and a table 1,600 columns. */
const MAX_LINE = 1 << 20
/** `-- Data for Name: notes; Type: TABLE DATA; Schema: c_acme; Owner: …` */
const ENTRY = /^-- Data for Name: (.{1,200}); Type: TABLE DATA; Schema: /
/** The line that ends the rows of a table. A row cannot be written like that: its backslash would be doubled. */
const END = Buffer.from('\\.')

/**
 * Reads what `pg_restore --data-only` prints: `COPY schema.table (columns) FROM stdin;`, rows, and a line `\.`. Everything
 * else (settings, comments, `setval`) is passed over, never executed. Holds one piece of the input, and lines that are no rows.
 *
 * @throws TenancyError VALIDATION_ERROR
 */
export async function* splitDump(
  output: AsyncIterable<Buffer>,
  schema: string,
): AsyncGenerator<DumpedRows, void, undefined> {
  let table: Omit<DumpedRows, 'data'> | undefined
  let entry = ''
  let line: Buffer = Buffer.alloc(0)
  /** Of a statement that goes on in the next line: within quotes, a name has any character. */
  let begun = ''
  let quote: Quote = ''
  let inside = false
  for await (const piece of output) {
    let rest = line.length === 0 ? piece : Buffer.concat([line, piece])
    line = Buffer.alloc(0)
    while (rest.length > 0) {
      if (table === undefined) {
        const end = rest.indexOf(LINE_FEED)
        if (end < 0) break
        const text = rest.toString('utf8', 0, end)
        rest = rest.subarray(end + 1)
        if (begun === '' && /^(?:--|\\|$)/.test(text)) {
          entry = ENTRY.exec(text)?.[1] ?? entry
          continue
        }
        begun += text
        if (begun.length > MAX_LINE) throw unreadable('damaged')
        quote = quoteAfter(text, quote)
        if (quote !== '' || !text.endsWith(';')) {
          begun += '\n'
          continue
        }
        const head = headOf(begun, schema)
        table = head && { ...head, entry }
        begun = ''
        inside = false
        continue
      }
      const end = endOfRows(rest, inside)
      if (end.data > 0) yield { ...table, data: rest.subarray(0, end.data) }
      inside = end.inside
      rest = rest.subarray(end.next)
      if (end.over) table = undefined
      else break
    }
    if (rest.length > MAX_LINE) throw unreadable('damaged')
    line = Buffer.from(rest)
  }
  if (table !== undefined || begun !== '') throw unreadable('truncated')
}

/** Within which quotes a text is; one in them is written twice. */
type Quote = '' | "'" | '"'

function quoteAfter(text: string, before: Quote): Quote {
  let quote = before
  for (const [mark] of text.matchAll(/['"]/g)) {
    if (quote === '') quote = mark as Quote
    else if (quote === mark) quote = ''
  }
  return quote
}

interface End {
  /** Bytes of rows at the beginning. */
  readonly data: number
  /** Where to go on. */
  readonly next: number
  readonly over: boolean
  /** Whether what was given on ends within a row. */
  readonly inside: boolean
}

/** Looks for the line that ends the rows; what could be its beginning waits for more. */
function endOfRows(bytes: Buffer, inside: boolean): End {
  let from = 0
  if (inside) {
    const end = bytes.indexOf(LINE_FEED)
    if (end < 0) return { data: bytes.length, next: bytes.length, over: false, inside: true }
    from = end + 1
  }
  for (let at = from; ; ) {
    const head = bytes.subarray(at, at + 3)
    if (head.length < 3 && END.subarray(0, head.length).equals(head.subarray(0, 2)))
      return { data: at, next: at, over: false, inside: false }
    if (head[0] === END[0] && head[1] === END[1] && head[2] === LINE_FEED)
      return { data: at, next: at + 3, over: true, inside: false }
    const end = bytes.indexOf(LINE_FEED, at)
    if (end < 0) return { data: bytes.length, next: bytes.length, over: false, inside: true }
    at = end + 1
  }
}

/** `COPY c_acme."Notes" (id, body) FROM stdin;` */
function headOf(text: string, schema: string): Pick<DumpedRows, 'table' | 'columns'> | undefined {
  if (!text.startsWith('COPY ') || !text.endsWith(' FROM stdin;')) return undefined
  const [, home, table, ...columns] = namesIn(text)
  if (home !== schema || table === undefined) throw unreadable('damaged')
  return { table, columns: columns.slice(0, -2) }
}
