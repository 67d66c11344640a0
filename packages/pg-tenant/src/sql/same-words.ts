import { scanned, type Token } from './scan.ts'

/**
 * Whether two definitions are the same to the server, which words some in another way once it has read its own words (behind pg_dump, too):
 * `c in ('a', 'b')` of a varchar is written as a cast of an array and read as an array of casts, `n between 1 and 5 and m > 0` as an AND
 * in an AND and read as one.
 */
export function sameWords(one: string, other: string): boolean {
  return one === other || inOneWording(one) === inOneWording(other)
}

/** Its words with a blank in between, `(ARRAY[a, b])::text[]` as `ARRAY[(a)::text, (b)::text]`, `((a AND b) AND c)` as `(a AND b AND c)`, `ON TRUE` as `ON (true)`, `(- 7)` as `'-7'::integer`, `NULL::date AS date` as `NULL::date`, `EXTRACT(YEAR FROM` as `EXTRACT(year FROM`. */
export function inOneWording(sql: string): string {
  const tokens = scanned(sql)
  if (tokens.length === 0) return sql
  return words({ sql, tokens, closes: closing(tokens) }, 0, tokens.length).join(' ')
}

interface Text {
  readonly sql: string
  readonly tokens: readonly Token[]
  /** Of each bracket that opens, where it closes. */
  readonly closes: ReadonlyMap<number, number>
}

function closing(tokens: readonly Token[]): ReadonlyMap<number, number> {
  const [closes, open] = [new Map<number, number>(), [] as number[]]
  for (const [at, token] of tokens.entries()) {
    if (is(token, '(') || is(token, '[')) open.push(at)
    const from = is(token, ')') || is(token, ']') ? open.pop() : undefined
    if (from !== undefined) closes.set(from, at)
  }
  return closes
}

function words(text: Text, from: number, to: number): string[] {
  const found: string[] = []
  // Where parentheses close that were left out: however deep they are, nothing is called anew.
  const without = new Set<number | undefined>()
  for (let at = from; at < to; at++) {
    if (without.has(at)) continue
    const [cast, named] = [castArray(text, at), namedByType(text, at)]
    if (cast) {
      found.push(...castElements(text, cast))
      at = cast.end
    } else if (named !== undefined) {
      for (; at < named; at++) found.push(raw(text, at))
      // Without AS and the name.
      at++
    } else if (isNegated(text.tokens, at)) {
      const number = raw(text, at + 2)
      found.push(`'-${number}'`, ':', ':', /^\d+$/.test(number) ? 'integer' : 'numeric')
      at += 3
    } else if (goesOn(text, at)) without.add(text.closes.get(at))
    else if (isWord(text.tokens[at], 'true') && isWord(text.tokens[at - 1], 'on'))
      found.push('(', 'true', ')')
    else if (isField(text.tokens, at)) found.push(raw(text, at).toLowerCase())
    else found.push(raw(text, at))
  }
  return found
}

/**
 * Whether the parentheses that open here hold the beginning of an AND, or an OR, that goes on behind them, within parentheses that are its
 * alone: nothing else (NOT, an operator, a function) stands before them.
 */
function goesOn({ tokens, closes }: Text, at: number): boolean {
  const closed = closes.get(at)
  if (closed === undefined || !is(tokens[at - 1], '(')) return false
  const word = tokens[closed + 1]
  if (!isBoolean(word)) return false
  let joined = false
  for (let next = at + 1; next < closed; next++) {
    const token = tokens[next]
    if (isBoolean(token) && token?.text !== word?.text) return false
    joined ||= isBoolean(token)
    next = closes.get(next) ?? next
  }
  return joined
}

function isBoolean(token: Token | undefined): boolean {
  return isWord(token, 'and') || isWord(token, 'or')
}

function isWord(token: Token | undefined, text: string): boolean {
  return token?.kind === 'word' && token.text === text
}

/** `EXTRACT(YEAR FROM d)`: read as a word, the field of `extract('YEAR' from d)` is in lower case. */
function isField(tokens: readonly Token[], at: number): boolean {
  const isCall = isWord(tokens[at - 2], 'extract') && is(tokens[at - 1], '(')
  return isCall && tokens[at]?.kind === 'word' && isWord(tokens[at + 1], 'from')
}

/**
 * `::numeric AS "numeric"`, of a cast that begins here: where a statement names no column (behind UNION `NULL`, a constant, what is cast to
 * the others' type) the server does, when it reads the type that it has written.
 *
 * @returns where AS stands
 */
function namedByType({ tokens, closes }: Text, at: number): number | undefined {
  if (!is(tokens[at], ':') || !is(tokens[at + 1], ':')) return undefined
  let [next, type] = [at + 2, '']
  for (; isOfType(tokens[next]) && !isWord(tokens[next], 'as'); next = (closes.get(next) ?? next) + 1)
    if (is(tokens[next], '.')) type = ''
    else if (!is(tokens[next], '(')) type += (type && ' ') + tokens[next]?.text
  while (is(tokens[next], '[') && is(tokens[next + 1], ']')) next += 2
  const name = tokens[next + 1]
  const isNamed =
    name?.text === (OWN_NAMES.get(type) ?? type) && (name.kind === 'word' || name.kind === 'quoted')
  return isWord(tokens[next], 'as') && isNamed ? next : undefined
}

/** Types that have another name in the catalogue (`format_type`). */
const OWN_NAMES = new Map(
  Object.entries({
    ...{ smallint: 'int2', integer: 'int4', bigint: 'int8', real: 'float4', 'double precision': 'float8' },
    ...{ boolean: 'bool', character: 'bpchar', 'character varying': 'varchar', 'bit varying': 'varbit' },
    ...{ 'time with time zone': 'timetz', 'time without time zone': 'time' },
    ...{ 'timestamp with time zone': 'timestamptz', 'timestamp without time zone': 'timestamp' },
  }),
)

/** `(- 7)`: the operator, of a number that is read together with it. */
function isNegated(tokens: readonly Token[], at: number): boolean {
  const [open, minus, number, close] = tokens.slice(at, at + 4)
  return is(open, '(') && is(minus, '-') && number?.kind === 'number' && is(close, ')')
}

interface Cast {
  /** Where ARRAY stands. */
  readonly array: number
  readonly type: readonly string[]
  readonly end: number
  /** Whether parentheses stand around what is cast: not in statistics, which are written for reading. */
  readonly enclosed: boolean
}

/** `(ARRAY[…])::type[]` or `ARRAY[…]::type[]` that begins here. */
function castArray({ sql, tokens, closes }: Text, at: number): Cast | undefined {
  const enclosed = is(tokens[at], '(')
  const array = enclosed ? at + 1 : at
  const bracket = isArray(tokens, array) ? closes.get(array + 1) : undefined
  if (bracket === undefined || (enclosed && closes.get(at) !== bracket + 1)) return undefined
  const colons = enclosed ? bracket + 2 : bracket + 1
  if (!is(tokens[colons], ':') || !is(tokens[colons + 1], ':')) return undefined
  const first = colons + 2
  let next = first
  while (isOfType(tokens[next])) next = (closes.get(next) ?? next) + 1
  const isArrayType = next > first && is(tokens[next], '[') && is(tokens[next + 1], ']')
  if (!isArrayType || !areScalars({ sql, tokens, closes }, array + 2, bracket)) return undefined
  const type = tokens.slice(first, next).map(({ start, end }) => sql.slice(start, end))
  return { array, type, end: next + 1, enclosed }
}

/** Part of a type's name: words with their schema, a modifier (`timestamp(3) with time zone`). */
function isOfType(token: Token | undefined): boolean {
  return token?.kind === 'word' || token?.kind === 'quoted' || is(token, '.') || is(token, '(')
}

/**
 * Whether elements, one at least, are constants or casts to what is no array, or arrays of such: only of those is a cast of each the cast
 * of all. Of columns that are arrays it would be one to a text each.
 */
function areScalars(text: Text, from: number, end: number): boolean {
  const { tokens, closes } = text
  if (from >= end) return false
  for (let at = from; at < end; ) {
    let [to, isCast] = [at, false]
    for (; to < end && !is(tokens[to], ','); to = (closes.get(to) ?? to) + 1)
      isCast ||= is(tokens[to], ':') && is(tokens[to + 1], ':')
    const nested = isArray(tokens, at) && closes.get(at + 1) === to - 1
    const constant = to === at + 1 && (tokens[at]?.kind === 'string' || tokens[at]?.kind === 'number')
    if (nested ? !areScalars(text, at + 2, to - 1) : !constant && !(isCast && !is(tokens[to - 1], ']')))
      return false
    at = to + 1
  }
  return true
}

/** `ARRAY[…]`, the cast said of each element; of an array in it, of that one's. */
function castElements(text: Text, cast: Cast): string[] {
  const { tokens, closes } = text
  const { array, type, enclosed } = cast
  const end = closes.get(array + 1) ?? array + 1
  const found = ['ARRAY', '[']
  for (let from = array + 2; from < end; ) {
    let to = from
    while (to < end && !is(tokens[to], ',')) to = (closes.get(to) ?? to) + 1
    const nested = isArray(tokens, from) && closes.get(from + 1) === to - 1
    const own = nested ? castElements(text, { ...cast, array: from }) : words(text, from, to)
    if (nested) found.push(...own)
    else if (enclosed) found.push('(', ...own, ')', ':', ':', ...type)
    else found.push(...own, ':', ':', ...type)
    if (to < end) found.push(',')
    from = to + 1
  }
  return [...found, ']']
}

function isArray(tokens: readonly Token[], at: number): boolean {
  return isWord(tokens[at], 'array') && is(tokens[at + 1], '[')
}

function raw({ sql, tokens }: Text, at: number): string {
  return sql.slice(tokens[at]?.start, tokens[at]?.end)
}

function is(token: Token | undefined, text: string): boolean {
  return token?.kind === 'symbol' && token.text === text
}
