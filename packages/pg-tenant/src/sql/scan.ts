/** A piece of SQL as PostgreSQL's scanner finds it (manual 4.1). */
export interface Token {
  /** `word` and `symbol` are compared by `text`; what is in quotes is never a keyword. */
  readonly kind: 'word' | 'quoted' | 'string' | 'number' | 'symbol' | 'breakpoint'
  /** A word in lower case, an identifier or string without its quotes, else as it stands. */
  readonly text: string
  readonly start: number
  /** Behind its last character. */
  readonly end: number
}

/** drizzle-kit puts this between statements. To PostgreSQL it is a comment. */
const BREAKPOINT = '--> statement-breakpoint'

const WORD = /[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*/y
const NUMBER = /[0-9][0-9A-Za-z_.]*/y
const DOLLAR = /\$(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/y
const SPACE = /[ \t\n\r\f\v]+/y
const LINE_COMMENT = /--[^\r\n]*/y
const QUOTED = /"(?:[^"]|"")*"/y
const STRING = /'(?:[^']|'')*'/y
const ESCAPE_STRING = /'(?:[^'\\]|''|\\[\s\S])*'/y

/** Thrown by {@link scan} where quotes or a comment are still open at the end of the text. */
export class UnterminatedSql extends Error {
  readonly at: number

  constructor(at: number) {
    super('unterminated quotes or comment')
    this.at = at
  }
}

/**
 * Reads SQL into tokens; comments and white space are left out. Strings are read as with
 * `standard_conforming_strings = on`, the default.
 */
export function scan(sql: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  while (at < sql.length) {
    const found = tokenAt(sql, at)
    if (found.token) tokens.push(found.token)
    at = found.end
  }
  return tokens
}

/** The same; nothing of what cannot be read, which the server, or whoever runs it, refuses as well. */
export function scanned(sql: string): readonly Token[] {
  try {
    return scan(sql)
  } catch (error) {
    if (error instanceof UnterminatedSql) return []
    throw error
  }
}

/** What may be a name in it: every word, keywords too, and what is in double quotes, in their order. */
export function namesIn(sql: string): string[] {
  return scan(sql).flatMap(({ kind, text }) => (kind === 'word' || kind === 'quoted' ? [text] : []))
}

type Found = { readonly token?: Token; readonly end: number }
type Ended = Required<Found>

function tokenAt(sql: string, at: number): Found {
  const char = sql[at] as string
  const space = match(SPACE, sql, at)
  if (space) return { end: at + space.length }
  if (sql.startsWith('--', at)) return lineComment(sql, at)
  if (sql.startsWith('/*', at)) return { end: endOfComment(sql, at) }
  if (char === '"') return quotes(QUOTED, 'quoted', sql, at, at)
  if (char === "'") return quotes(STRING, 'string', sql, at, at)
  if (char === '$') return dollar(sql, at)
  const word = match(WORD, sql, at)
  if (word) return wordOrPrefixed(sql, at, word)
  const number = match(NUMBER, sql, at)
  if (number) return one('number', number, at, at + number.length)
  return one('symbol', char, at, at + 1)
}

function lineComment(sql: string, at: number): Found {
  const end = at + (match(LINE_COMMENT, sql, at) as string).length
  if (!sql.startsWith(BREAKPOINT, at)) return { end }
  return one('breakpoint', BREAKPOINT, at, end)
}

/** E'…' has backslash escapes; B, X, N and U& only stand in front. */
function wordOrPrefixed(sql: string, at: number, word: string): Found {
  const behind = at + word.length
  const prefix = word.toLowerCase()
  if (sql[behind] === "'" && prefix === 'e') return escapeString(sql, at, behind)
  if (sql[behind] === "'" && /^[bxn]$/.test(prefix)) return quotes(STRING, 'string', sql, at, behind)
  if (prefix === 'u' && sql[behind] === '&') {
    if (sql[behind + 1] === "'") return quotes(STRING, 'string', sql, at, behind + 1)
    if (sql[behind + 1] === '"') return quotes(QUOTED, 'quoted', sql, at, behind + 1)
  }
  return one('word', prefix, at, behind)
}

/** What goes on behind a line end (manual 4.1.2.1) still has backslash escapes, without another E. */
function escapeString(sql: string, start: number, at: number): Found {
  const parts: string[] = []
  for (let next: number | undefined = at; next !== undefined; next = continuation(sql, at)) {
    const { token, end } = quotes(ESCAPE_STRING, 'string', sql, start, next)
    parts.push(token.text)
    at = end
  }
  return one('string', parts.join(''), start, at)
}

/** Where the string that ends here goes on: behind white space with a line end in it, and comments up to one. */
function continuation(sql: string, end: number): number | undefined {
  let [at, isLater] = [end, false]
  for (;;) {
    const space = match(SPACE, sql, at)
    const between = space ?? match(LINE_COMMENT, sql, at)
    if (between === undefined) break
    isLater ||= space !== undefined && /[\r\n]/.test(space)
    at += between.length
  }
  return isLater && sql[at] === "'" ? at : undefined
}

function quotes(pattern: RegExp, kind: 'quoted' | 'string', sql: string, start: number, at: number): Ended {
  const raw = match(pattern, sql, at)
  if (raw === undefined) throw new UnterminatedSql(start)
  const quote = raw[0] as string
  return one(kind, raw.slice(1, -1).replaceAll(quote + quote, quote), start, at + raw.length)
}

function dollar(sql: string, at: number): Found {
  const tag = match(DOLLAR, sql, at)
  if (tag === undefined) return one('symbol', '$', at, at + 1)
  const end = sql.indexOf(tag, at + tag.length)
  if (end < 0) throw new UnterminatedSql(at)
  return one('string', sql.slice(at + tag.length, end), at, end + tag.length)
}

/** Block comments nest in PostgreSQL. */
function endOfComment(sql: string, from: number): number {
  let depth = 0
  for (let at = from; at < sql.length; at++) {
    if (sql.startsWith('/*', at)) {
      depth++
      at++
    } else if (sql.startsWith('*/', at)) {
      at++
      if (--depth === 0) return at + 1
    }
  }
  throw new UnterminatedSql(from)
}

function match(pattern: RegExp, sql: string, at: number): string | undefined {
  pattern.lastIndex = at
  return pattern.exec(sql)?.[0]
}

function one(kind: Token['kind'], text: string, start: number, end: number): Ended {
  return { token: { kind, text, start, end }, end }
}
