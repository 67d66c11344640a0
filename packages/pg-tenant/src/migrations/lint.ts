import type { Migration } from '@org/core'
import { TenancyError } from '@org/core'
import { lockWarnings } from './lint-locks.ts'
import { foreignNames } from './lint-names.ts'
import { parseMigrations } from './migrations.ts'
import { needsNoTransaction, readScripts, type Script } from './script.ts'
import type { Statement } from './statements.ts'

/** Something about a migration that is refused, or that somebody should look at. */
export interface LintFinding {
  readonly severity: 'error' | 'warning'
  /** A word for the rule, e.g. `qualified-name`. */
  readonly rule: string
  /** Id of the migration. */
  readonly migration: string
  /** From 1. */
  readonly line: number
  /** What to do. */
  readonly message: string
}

export interface LintOptions {
  /** Schemas a migration may name (default: only `pg_catalog` and `information_schema`), e.g. those with shared tables. */
  readonly allowSchemas?: readonly string[]
}

const TRANSACTION_WORDS = 'begin commit rollback end abort start savepoint release'
const SESSION_WORDS = 'reset discard listen unlisten load deallocate'
const TRANSACTION: ReadonlySet<string> = new Set(TRANSACTION_WORDS.split(' '))
const SESSION: ReadonlySet<string> = new Set(SESSION_WORDS.split(' '))

/**
 * Reads migrations as PostgreSQL's scanner does and says what would go wrong in the second tenant, or lock the tables of
 * the first. Errors are refused by `migrate`; warnings are for the reader.
 *
 * @throws TenancyError INVALID_OPTION; STATEMENT_REFUSED when a migration cannot be read at all
 */
export function lintMigrations(
  migrations: readonly Migration[],
  { allowSchemas = [] }: LintOptions = {},
): LintFinding[] {
  return readScripts(parseMigrations(migrations)).flatMap((script) => lintScript(script, allowSchemas))
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
      ...refusals(script, statement, allowed).map(say('error')),
      ...(script.transaction ? lockWarnings(script, statement, created) : []).map(say('warning')),
    ]
  })
}

/** @throws TenancyError STATEMENT_REFUSED for the first error */
export function requireClean(scripts: readonly Script[], allowSchemas: readonly string[]): void {
  for (const script of scripts) {
    const errors = lintScript(script, allowSchemas).filter(({ severity }) => severity === 'error')
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
  if (['create', 'alter', 'drop'].includes(first) && second === 'schema') {
    found.push(['schema', 'A migration changes what is in the tenant’s schema, never schemas themselves.'])
  }
  if (first === 'alter' && setsSchema(statement)) {
    found.push(['set-schema', 'SET SCHEMA would move this out of the tenant’s schema.'])
  }
  if (first === 'copy') {
    found.push(['copy', 'COPY reads from the client or the server’s disk. Use INSERT here.'])
  }
  if (script.transaction && needsNoTransaction(statement)) {
    const how = 'Put it into a migration of its own that begins with: -- pg-tenant: no-transaction'
    found.push(['no-transaction', `This cannot run in a transaction. ${how}`])
  }
  if (!script.transaction && first === 'create' && needsNoTransaction(statement) && !indexName(statement)) {
    found.push(['index-name', 'Name the index: after a crash it is found by its name and built again.'])
  }
  for (const schema of foreignNames(statement, allowed)) {
    const drizzle = schema === 'public' ? ' drizzle-kit writes it: load with { unqualify: "public" }.' : ''
    found.push([
      'qualified-name',
      `Names schema "${schema}", which is the same for every tenant. Leave the schema out.${drizzle}`,
    ])
  }
  return found
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
