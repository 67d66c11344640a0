import { quoteIdentifier } from '../../sql/identifier.ts'
import { scan, type Token } from '../../sql/scan.ts'
import type { StructureStatement } from './statement.ts'

/** The schema's name in stored statements: no schema can have it (`pg_` is reserved, manual CREATE SCHEMA). */
const HERE = 'pg_tenant:here'

/**
 * The same statement for a schema of another name. Names inside function bodies are texts and stay; so do values. A
 * function's own `SET search_path` follows.
 */
export function renameSchemaIn(sql: string, from: string, to: string): string {
  if (from === to || !sql.includes(from)) return sql
  const tokens = scan(sql)
  const isName = (token: Token | undefined) =>
    (token?.kind === 'word' || token?.kind === 'quoted') && token.text === from
  const isRelation = relationsOf(tokens, isName)
  let [out, at] = ['', 0]
  let path = false
  for (const [index, token] of tokens.entries()) {
    const { kind, text, start, end } = token
    const next = tokens[index + 1]
    if (kind === 'word' && text === 'as') path = false
    if (kind === 'word' && text === 'search_path') path = true
    const named =
      isName(token) &&
      ((next?.text === '.' && tokens[index - 1]?.text !== '.' && !isRelation(index)) ||
        isSchemaOf(tokens[index - 1]?.text))
    const inPath = path && kind === 'string' && text === from
    if (!named && !inPath) continue
    out += sql.slice(at, start) + (inPath ? `'${to.replaceAll("'", "''")}'` : quoteIdentifier(to))
    at = end
  }
  return out + sql.slice(at)
}

/** What a name before a column stands behind, as PostgreSQL writes expressions; a type, a collation or a table never does. */
const BEFORE_COLUMN = new Set(
  'select , ( ) [ = < > + - * / % | & ! ~ @ # ^ ? where and or not by when then else case distinct on having returning values between like in zone placing for variadic passing limit offset document content both leading trailing similar escape version'.split(
    ' ',
  ),
)
/** Whose arguments are written behind FROM: `EXTRACT(year FROM t.at)`. */
const WITH_FROM = new Set(['extract', 'substring', 'trim', 'overlay'])
/** Statements in which columns are written behind the name of their table. */
const WITH_QUERY = /^create (?:or replace )?(?:view|materialized view|rule|policy|function|procedure)\b/i

/**
 * Where a table, or an alias, has the schema's own name, `name.column` is its column and not the schema's table.
 *
 * @returns whether the name at that place, before a dot, is the table's
 */
function relationsOf(
  tokens: readonly Token[],
  isName: (token: Token | undefined) => boolean,
): (index: number) => boolean {
  const start = tokens.findIndex(({ kind, text }) => kind === 'word' && text === 'create')
  const head = tokens
    .slice(start, start + 4)
    .map(({ text }) => text)
    .join(' ')
  const isBare = (index: number) => isName(tokens[index]) && tokens[index + 1]?.text !== '.'
  if (!WITH_QUERY.test(head) || !tokens.some((_, index) => isBare(index))) return () => false
  const isCode = /^create (?:or replace )?(?:function|procedure)/i.test(head)
  const isView = head.includes('view')
  const body = isCode
    ? tokens.findIndex(({ kind, text }) => kind === 'word' && (text === 'atomic' || text === 'return'))
    : 0
  const enclosing = enclosingOf(tokens)
  return (index) => {
    const [before, behind] = [tokens[index - 1], tokens[index + 3]]
    if (body < 0 || index < body || behind?.text === '.' || behind?.text === '(') return false
    if (before?.text === '(' && tokens[index - 2]?.text === 'operator') return false
    // The table of a policy or rule stands behind ON.
    if (before?.text === 'on' && !isView) return false
    if (before === undefined || before.kind === 'quoted') return false
    if (before.text === 'from') return isArgument(tokens, index - 1, enclosing)
    if (before.text === ':') return tokens[index - 2]?.text !== ':'
    return BEFORE_COLUMN.has(before.text)
  }
}

/** Whether this FROM stands before an argument, or behind IS DISTINCT, and not before tables. */
function isArgument(
  tokens: readonly Token[],
  from: number,
  enclosing: readonly (number | undefined)[],
): boolean {
  if (tokens[from - 1]?.text === 'distinct')
    return tokens[from - 2]?.text === 'is' || tokens[from - 2]?.text === 'not'
  const open = enclosing[from]
  return open !== undefined && WITH_FROM.has(tokens[open - 1]?.text ?? '')
}

/** Of each token, where the parentheses open that it is in. */
function enclosingOf(tokens: readonly Token[]): (number | undefined)[] {
  const open: number[] = []
  return tokens.map(({ kind, text }, at) => {
    const within = open.at(-1)
    if (kind === 'symbol' && text === '(') open.push(at)
    if (kind === 'symbol' && text === ')') open.pop()
    return within
  })
}

/** `alter default privileges in schema x` */
const isSchemaOf = (before: string | undefined): boolean => before === 'schema'

/** As it is kept in an archive, so that two schemas of different names compare. */
export const toHere = (made: StructureStatement, schema: string): StructureStatement =>
  rename(made, schema, HERE)
export const fromHere = (made: StructureStatement, schema: string): StructureStatement =>
  rename(made, HERE, schema)

function rename({ what, phase, sql }: StructureStatement, from: string, to: string): StructureStatement {
  return { what: renameSchemaIn(what, from, to), phase, sql: renameSchemaIn(sql, from, to) }
}
