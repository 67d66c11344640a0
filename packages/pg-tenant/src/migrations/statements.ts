import { TenancyError } from '@org/core'
import { scan, type Token, UnterminatedSql } from '../sql/scan.ts'

/** One statement of a migration. */
export interface Statement {
  readonly text: string
  /** Line of the file it begins on, from 1. */
  readonly line: number
  /** Which of the file's statements it is, from 1. */
  readonly number: number
  readonly tokens: readonly Token[]
  /** Its first words, up to eight. */
  readonly head: readonly string[]
}

/**
 * Splits SQL into its statements: at semicolons that stand neither in quotes nor in parentheses (CREATE RULE) nor in a
 * BEGIN ATOMIC body, and at drizzle-kit's breakpoints. A wrong split could do no harm: the server takes one statement at a
 * time and says so.
 *
 * @throws TenancyError STATEMENT_REFUSED when quotes or a comment are not closed
 */
export function statementsOf(sql: string, migration: string): Statement[] {
  const statements: Statement[] = []
  const lineOf = lineCounter(sql)
  let current: Token[] = []
  let [parentheses, atomic] = [0, 0]
  const finish = () => {
    const [first, last] = [current[0], current.at(-1)]
    if (first && last) {
      const text = sql.slice(first.start, last.end)
      const number = statements.length + 1
      statements.push({ text, line: lineOf(first.start), number, tokens: current, head: headOf(current) })
    }
    current = []
    parentheses = 0
    atomic = 0
  }
  for (const token of tokensOf(withoutCopyData(sql), migration, lineOf)) {
    const { kind, text } = token
    if (kind === 'breakpoint' || (kind === 'symbol' && text === ';' && parentheses === 0 && atomic === 0)) {
      finish()
      continue
    }
    if (kind === 'symbol' && text === '(') parentheses++
    if (kind === 'symbol' && text === ')') parentheses--
    if (kind === 'word') atomic += atomicChange(current.at(-1), text, atomic)
    current.push(token)
  }
  finish()
  return statements
}

/** As psql counts: BEGIN ATOMIC opens, CASE nests, END closes. */
function atomicChange(previous: Token | undefined, word: string, depth: number): number {
  if (depth === 0) return word === 'atomic' && previous?.text === 'begin' && previous.kind === 'word' ? 1 : 0
  if (word === 'case' || word === 'begin') return 1
  return word === 'end' ? -1 : 0
}

/**
 * Whether a statement cannot run in a transaction: `restricted` for those in which PostgreSQL runs a tenant's code as the
 * table's owner and lets it change nothing of the session, `refused` for all others.
 */
export function standsAlone({ head, tokens }: Statement): 'restricted' | 'refused' | undefined {
  const words = head.join(' ')
  if (head[0] === 'vacuum' || /^(create (unique )?index|drop index) concurrently\b/.test(words))
    return 'restricted'
  const concurrently = tokens.some(({ kind, text }) => kind === 'word' && text === 'concurrently')
  if (!concurrently) return undefined
  if (head[0] === 'reindex') return 'restricted'
  return head[0] === 'alter' ? 'refused' : undefined
}

const COPY_FROM_STDIN = /^\s{0,20}copy\s[^\n]{1,2000}\bfrom\s{1,20}stdin\b[^\n]{0,200};\s{0,20}$/i

/** Blanks in the place of the rows behind COPY … FROM stdin, as pg_dump writes them up to a line with `\\.`: they are no SQL. */
function withoutCopyData(sql: string): string {
  if (!sql.includes('\n\\.')) return sql
  const lines = sql.split('\n')
  for (let at = 0; at < lines.length; at++) {
    if (!COPY_FROM_STDIN.test(lines[at] ?? '')) continue
    const end = lines.indexOf('\\.', at)
    if (end < 0) break
    for (let row = at + 1; row <= end; row++) lines[row] = ' '.repeat(lines[row]?.length ?? 0)
    at = end
  }
  return lines.join('\n')
}

function headOf(tokens: readonly Token[]): string[] {
  const head: string[] = []
  for (const { kind, text } of tokens) {
    if (kind !== 'word' || head.length === 8) break
    head.push(text)
  }
  return head
}

function tokensOf(sql: string, migration: string, lineOf: (at: number) => number): Token[] {
  try {
    return scan(sql)
  } catch (error) {
    if (!(error instanceof UnterminatedSql)) throw error
    const line = lineOf(error.at)
    throw new TenancyError(
      'STATEMENT_REFUSED',
      `Migration ${migration}, line ${line}: quotes or a comment begin here and never end.`,
      { details: { migration, line } },
    )
  }
}

/** Lines by offset; asked in rising order it reads the text once. */
function lineCounter(sql: string): (at: number) => number {
  let [line, seen] = [1, 0]
  return (at) => {
    if (at < seen) [line, seen] = [1, 0]
    for (; seen < at; seen++) if (sql[seen] === '\n') line++
    return line
  }
}

/** A carriage return alone ends a line only where nothing else does, as on old Macs; beside line feeds it is data. */
export function withLineFeeds(text: string): string {
  return text.includes('\n') ? text : text.replaceAll('\r', '\n')
}
