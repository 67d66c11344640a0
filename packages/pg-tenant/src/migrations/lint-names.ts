import type { Token } from '../sql/scan.ts'
import type { Statement } from './statements.ts'

/** A name right behind one of these is that of an object, so that what stands before its dot is a schema. */
const OBJECT_WORDS =
  'table only into join update references index view sequence type domain function procedure policy trigger exists aggregate'
const BEFORE_OBJECT: ReadonlySet<string> = new Set(OBJECT_WORDS.split(' '))
/** Functions with a FROM of their own: `extract(day from t.at)`. */
const FROM_FUNCTIONS: ReadonlySet<string> = new Set(['extract', 'substring', 'trim', 'overlay', 'position'])
/** Statements whose ON is followed by a table. */
const ON_TABLE: ReadonlySet<string> = new Set(['index', 'trigger', 'policy', 'rule'])
const NAMED_IN_STRING: ReadonlySet<string> = new Set(['nextval', 'setval', 'currval', 'to_regclass'])

/** Schemas a statement names, without those that are allowed. */
export function foreignNames(statement: Statement, allowed: ReadonlySet<string>): string[] {
  const found = new Set<string>()
  const { tokens } = statement
  for (const [at, token] of tokens.entries()) {
    const schema = token.kind === 'string' ? schemaInString(tokens, at) : schemaBeforeDot(statement, at)
    if (schema !== undefined && !allowed.has(schema)) found.add(schema)
  }
  return [...found]
}

function schemaBeforeDot(statement: Statement, at: number): string | undefined {
  const { tokens } = statement
  const [token, dot] = [tokens[at], tokens[at + 1]]
  if (!token || !isName(token) || !isSymbol(dot, '.') || isSymbol(tokens[at - 1], '.')) return undefined
  if (token.text === 'public' || inObjectPlace(statement, at)) return token.text
  // Three parts: schema.table.column.
  return isSymbol(tokens[at + 3], '.') ? token.text : undefined
}

function inObjectPlace({ tokens, head }: Statement, at: number): boolean {
  const before = tokens[at - 1]
  if (before?.kind !== 'word') return false
  if (before.text === 'from') return isTableFrom(tokens, at - 1)
  if (before.text === 'on') return head.some((word) => ON_TABLE.has(word)) && !joins(tokens, at)
  return BEFORE_OBJECT.has(before.text)
}

/** FROM that names tables, not `is distinct from` or the FROM in `extract(… from …)`. */
function isTableFrom(tokens: readonly Token[], from: number): boolean {
  if (tokens[from - 1]?.text === 'distinct') return false
  let depth = 0
  for (let at = from - 1; at >= 0; at--) {
    if (isSymbol(tokens[at], ')')) depth++
    else if (isSymbol(tokens[at], '(') && depth-- === 0)
      return !FROM_FUNCTIONS.has(tokens[at - 1]?.text ?? '')
  }
  return true
}

function joins(tokens: readonly Token[], before: number): boolean {
  return tokens.slice(0, before).some(({ kind, text }) => kind === 'word' && text === 'join')
}

/** `'public.notes'::regclass` and `nextval('public.notes_id_seq')`. */
function schemaInString(tokens: readonly Token[], at: number): string | undefined {
  const cast = isSymbol(tokens[at + 1], ':') && tokens[at + 3]?.text === 'regclass'
  const called = isSymbol(tokens[at - 1], '(') && NAMED_IN_STRING.has(tokens[at - 2]?.text ?? '')
  if (!cast && !called) return undefined
  const [, quoted, plain] = /^(?:"([^"]+)"|([A-Za-z_][A-Za-z0-9_$]*))\./.exec(tokens[at]?.text ?? '') ?? []
  return quoted ?? plain?.toLowerCase()
}

function isName(token: Token): boolean {
  return token.kind === 'word' || token.kind === 'quoted'
}

function isSymbol(token: Token | undefined, text: string): boolean {
  return token?.kind === 'symbol' && token.text === text
}
