import { type Migration, TenancyError } from '@org/core'
import type { Token } from '../sql/scan.ts'
import { asksWholeDatabase } from './lint-catalogue.ts'
import type { LintFinding } from './lint-finding.ts'
import { ADVICE, foreignNames, inBlock } from './lint-names.ts'
import { boundNobody, hiddenFromOwner, lockWarnings } from './lint-warnings.ts'
import { parseMigrations } from './migrations.ts'
import { addsEnumValue, needsNoTransaction, readScripts, type Script } from './script.ts'
import type { Statement } from './statements.ts'

export interface LintOptions {
  /** Schemas a migration may name (default: only `pg_catalog` and `information_schema`), e.g. those with shared tables. */
  readonly allowSchemas?: readonly string[]
}

const TRANSACTION_WORDS = 'begin commit rollback end abort start savepoint release'
const SESSION_WORDS = 'reset discard listen unlisten load deallocate'
const SERVER_WORDS = 'role user group database system tablespace event publication subscription'
const SERVER: ReadonlySet<string> = new Set(SERVER_WORDS.split(' '))
const TRANSACTION: ReadonlySet<string> = new Set(TRANSACTION_WORDS.split(' '))
const SESSION: ReadonlySet<string> = new Set(SESSION_WORDS.split(' '))

/**
 * Reads migrations as PostgreSQL's scanner does and says what would go wrong in the second tenant, or lock the tables of
 * the first. Errors are refused by `migrate`; warnings are for the reader. Comments at the top of a migration say how it is meant:
 * `-- pg-tenant: no-transaction`, `phase=expand`, `phase=contract`, and `whole-database`, for a DO block that asks the catalogue about
 * everybody's objects on purpose (rule `whole-database`; at levels `database` and `row` `migrate` takes it in any case).
 *
 * @throws TenancyError INVALID_OPTION; STATEMENT_REFUSED when a migration cannot be read at all
 * @example
 * ```ts
 * import { lintMigrations } from '@org/pg-tenant'
 *
 * const [finding] = lintMigrations([{ id: '1', sql: 'create table public.notes (id int)' }])
 * finding?.rule // → 'qualified-name'
 * ```
 */
export function lintMigrations(
  migrations: readonly Migration[],
  { allowSchemas = [] }: LintOptions = {},
): LintFinding[] {
  const scripts = readScripts(parseMigrations(migrations))
  const each = scripts.flatMap((script) => lintScript(script, allowSchemas))
  return [...each, ...boundNobody(scripts), ...hiddenFromOwner(scripts)]
}

export function lintScript(script: Script, allowSchemas: readonly string[]): LintFinding[] {
  const allowed = new Set(['pg_catalog', 'information_schema', ...allowSchemas])
  const created = tablesCreatedIn(script)
  return script.statements.flatMap((statement) => {
    const say =
      (severity: LintFinding['severity']) =>
      ([rule, message]: readonly [string, string]): LintFinding => {
        return { severity, rule, migration: script.id, line: statement.line, message }
      }
    return [
      ...ofOtherPrograms(script, statement),
      ...refusals(script, statement, allowed).map(say('error')),
      ...asksWholeDatabase(script, statement),
      ...(script.transaction && addsEnumValue(statement) ? [ENUM_VALUE] : []).map(say('warning')),
      ...(script.transaction ? lockWarnings(script, statement, created) : []).map(say('warning')),
    ]
  })
}

const ENUM_VALUE: Complaint = [
  'enum-value',
  'PostgreSQL lets nobody use a new value of an enum before it is committed, so later migrations run in another ' +
    'transaction. Use it in a later migration, not in this one.',
]

/**
 * @param alone whether nobody else's objects are in the database: what asks all of it asks about these
 * @throws TenancyError STATEMENT_REFUSED for the first error
 */
export function requireClean(
  scripts: readonly Script[],
  allowSchemas: readonly string[],
  alone: boolean,
): void {
  for (const script of scripts) {
    const errors = lintScript(script, allowSchemas).filter(
      ({ severity, rule }) => severity === 'error' && !(alone && rule === 'whole-database'),
    )
    const [first] = errors
    if (!first) continue
    const { migration, line, rule, message } = first
    throw new TenancyError('STATEMENT_REFUSED', `Migration ${migration}, line ${line}: ${message}`, {
      details: { migration, line, rule, errors: errors.length },
    })
  }
}

type Complaint = readonly [rule: string, message: string]

function refusals(script: Script, statement: Statement, allowed: ReadonlySet<string>): Complaint[] {
  const { head } = statement
  const [first = '', second = ''] = head
  const found: Complaint[] = []
  if (TRANSACTION.has(first) || (first === 'prepare' && second === 'transaction')) {
    found.push([
      'transaction',
      'Take BEGIN, COMMIT and the like out: each tenant has its transaction already.',
    ])
  }
  if (SESSION.has(first) || (first === 'set' && second !== 'constraints')) {
    found.push(['session', 'Take SET, RESET and the like out: search path and role are set for each tenant.'])
  }
  if (first === 'prepare' && second !== 'transaction') {
    found.push(['session', 'Take PREPARE out: what it makes would stay in the session of whoever migrates.'])
  }
  if (callsSetConfig(statement)) {
    found.push(['session', ADVICE.setConfig])
  }
  if (['create', 'alter', 'drop'].includes(first) && second === 'extension') {
    found.push(['extension', ADVICE.extension])
  }
  if (['create', 'alter', 'drop'].includes(first) && SERVER.has(second)) {
    found.push(['server', ADVICE.server])
  }
  if (['drop', 'reassign'].includes(first) && second === 'owned') {
    found.push(['server', ADVICE.owned])
  }
  if (['create', 'alter', 'drop'].includes(first) && second === 'schema') {
    found.push(['schema', 'A migration changes what is in the tenant’s schema, never schemas themselves.'])
  }
  if (first === 'alter' && setsSchema(statement)) {
    found.push(['set-schema', 'SET SCHEMA would move this out of the tenant’s schema.'])
  }
  if (first === 'copy') {
    found.push([
      'copy',
      'COPY reads from the client or the server’s disk. Use INSERT here (pg_dump --inserts writes it).',
    ])
  }
  if (script.transaction && needsNoTransaction(statement)) {
    const how = 'Put it into a migration of its own that begins with: -- pg-tenant: no-transaction'
    found.push(['no-transaction', `This cannot run in a transaction. ${how}`])
  }
  if (!script.transaction && first === 'create' && needsNoTransaction(statement) && !indexName(statement)) {
    found.push(['index-name', 'Name the index: after a crash it is found by its name and built again.'])
  }
  found.push(...inBlock(statement, allowed))
  for (const schema of foreignNames(statement, allowed)) {
    const drizzle = schema === 'public' ? ' drizzle-kit writes it: load with { unqualify: "public" }.' : ''
    found.push([
      'qualified-name',
      `Names schema "${schema}", which is the same for every tenant. Leave the schema out.${drizzle}`,
    ])
  }
  return found
}

function callsSetConfig({ tokens }: Statement): boolean {
  return tokens.some(
    ({ kind, text }, at) => kind !== 'string' && text === 'set_config' && tokens[at + 1]?.text === '(',
  )
}

/** The name in CREATE [UNIQUE] INDEX CONCURRENTLY [IF NOT EXISTS] name ON …, or undefined. */
export function indexName({ tokens }: Statement): string | undefined {
  let at = tokens.findIndex(({ kind, text }) => kind === 'word' && text === 'concurrently') + 1
  if (at === 0) return undefined
  if (tokens[at]?.text === 'if' && tokens[at]?.kind === 'word') at += 3
  const name = tokens[at]
  if (!name || (name.kind === 'word' && name.text === 'on')) return undefined
  return name.kind === 'word' || name.kind === 'quoted' ? name.text : undefined
}

function setsSchema({ tokens }: Statement): boolean {
  return tokens.some(
    ({ kind, text }, at) =>
      kind === 'word' &&
      text === 'set' &&
      tokens[at + 1]?.kind === 'word' &&
      tokens[at + 1]?.text === 'schema',
  )
}

/** Tables that are new in this very migration: nobody reads them yet, so nothing waits for their locks. */
function tablesCreatedIn({ statements }: Script): ReadonlySet<string> {
  const names = new Set<string>()
  for (const { head, tokens } of statements) {
    if (head[0] !== 'create') continue
    const at = tokens.findIndex(({ kind, text }) => kind === 'word' && text === 'table')
    if (at < 0 || at > 3) continue
    const name = tokens[at + (tokens[at + 1]?.text === 'if' ? 4 : 1)]
    if (name) names.add(name.text)
  }
  return names
}

/**
 * What somebody else would replace: commands and variables of psql, which pg_dump writes too (`\\restrict`, `\\connect`), and
 * placeholders of tools. The server knows none of them.
 */
function ofOtherPrograms(script: Script, { tokens, text, line }: Statement): LintFinding[] {
  const from = tokens[0]?.start ?? 0
  const lineAt = (at: number) => line + text.slice(0, at - from).split('\n').length - 1
  return tokens.flatMap((token, at) => {
    const found = isCommand(tokens, at)
      ? COMMAND
      : isVariable(tokens, at)
        ? VARIABLE
        : isPlaceholder(tokens, at)
          ? PLACEHOLDER
          : token.kind === 'word' && INVISIBLE_CHARACTER.test(token.text)
            ? INVISIBLE
            : undefined
    if (!found) return []
    const [rule, message] = found
    return [{ severity: 'error', rule, migration: script.id, line: lineAt(token.start), message }]
  })
}

const COMMAND: Complaint = [
  'psql',
  'A psql command (a line that begins with a backslash), which only psql understands. Take it out; pg_dump writes it too.',
]
const VARIABLE: Complaint = [
  'psql',
  'A psql variable (:name), which only psql replaces. Write the value itself.',
]
const PLACEHOLDER: Complaint = [
  'placeholder',
  'A placeholder (a name in braces), which only a migration tool replaces. Write the value itself.',
]
/** Spaces, line ends and marks that PostgreSQL takes for letters; what joins letters in some scripts (U+200C, U+200D) is none. */
const INVISIBLE_CHARACTER =
  /[\u0080-\u00a0\u00ad\u1680\u2000-\u200b\u200e\u200f\u2028-\u202f\u205f-\u2064\u3000\ufeff]/
const INVISIBLE: Complaint = [
  'invisible',
  'A space or mark that PostgreSQL takes for a letter (copied from a page, or a byte order mark between two files). Write this anew.',
]

function isCommand(tokens: readonly Token[], at: number): boolean {
  // In SQL it stands nowhere outside quotes.
  const isBackslash = (token: Token | undefined) => token?.kind === 'symbol' && token.text === '\\'
  return isBackslash(tokens[at]) && !isBackslash(tokens[at - 1])
}

/** `:name`, `:'name'`, `:"name"`; not `::type`, `:=`, or the bounds of an array (`a[1:n]`). */
function isVariable(tokens: readonly Token[], at: number): boolean {
  const [before, token, next] = [tokens[at - 1], tokens[at], tokens[at + 1]]
  if (token?.kind !== 'symbol' || token.text !== ':' || next?.start !== token.end) return false
  if (before?.text === ':' && before.kind === 'symbol' && before.end === token.start) return false
  if (next.kind !== 'word' && next.kind !== 'string' && next.kind !== 'quoted') return false
  return !inBrackets(tokens, at)
}

/** `${name}`, `{{.prefix}}`: in SQL a brace stands nowhere outside quotes. */
function isPlaceholder(tokens: readonly Token[], at: number): boolean {
  const isBrace = (token: Token | undefined) => token?.kind === 'symbol' && token.text === '{'
  return isBrace(tokens[at]) && !isBrace(tokens[at - 1])
}

function inBrackets(tokens: readonly Token[], at: number): boolean {
  let depth = 0
  for (const { kind, text } of tokens.slice(0, at)) {
    if (kind !== 'symbol') continue
    if (text === '[') depth++
    if (text === ']') depth--
  }
  return depth > 0
}
