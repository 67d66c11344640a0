import { type Annotations, annotationsOf } from './annotations.ts'
import type { CheckedMigration } from './migrations.ts'
import { type Statement, statementsOf } from './statements.ts'

/** A migration, read: its statements and how they are to be run. */
export interface Script extends CheckedMigration, Annotations {
  /** Its place in the order of migrations, from 1. */
  readonly ordinal: number
  readonly statements: readonly Statement[]
}

/** @throws TenancyError STATEMENT_REFUSED when a migration cannot be read */
export function readScripts(migrations: readonly CheckedMigration[]): Script[] {
  return migrations.map((migration, index) => ({
    ...migration,
    ...annotationsOf(migration.sql, migration.id),
    ordinal: index + 1,
    statements: statementsOf(migration.sql, migration.id),
  }))
}

/** A new value of an enum cannot be used in the transaction that adds it (manual, ALTER TYPE), unless the type is as new. */
export function addsEnumValue({ head, tokens }: Statement): boolean {
  return (
    head[0] === 'alter' &&
    head[1] === 'type' &&
    tokens.some(
      (token, at) => token.text === 'add' && token.kind === 'word' && tokens[at + 1]?.text === 'value',
    )
  )
}

/** Commands PostgreSQL refuses inside a transaction block, as far as a tenant may use them. */
export function needsNoTransaction({ head, tokens }: Statement): boolean {
  const [first, second] = head
  if (first === 'vacuum' || first === 'call') return true
  const commands = ['create', 'drop', 'reindex', 'alter', 'refresh']
  if (!commands.includes(first ?? '') || (first === 'refresh' && second === 'materialized')) return false
  return tokens.some(({ kind, text }) => kind === 'word' && text === 'concurrently')
}

/**
 * The same migration for a transaction: for a new tenant, whose tables are empty and nobody uses. CONCURRENTLY is left
 * out, VACUUM and REINDEX too, which empty tables do not need.
 */
export function sqlInTransaction(migration: CheckedMigration): string {
  if (annotationsOf(migration.sql, migration.id).transaction) return migration.sql
  return statementsOf(migration.sql, migration.id)
    .filter((statement) => !isLeftOut(statement))
    .map((statement) => withoutConcurrently(statement))
    .join(';\n')
}

/** What a tenant that is being made has no use for. */
export function isLeftOut({ head }: Statement): boolean {
  return head[0] === 'vacuum' || head[0] === 'reindex'
}

function withoutConcurrently(statement: Statement): string {
  if (!needsNoTransaction(statement)) return statement.text
  const from = statement.tokens[0]?.start ?? 0
  const word = statement.tokens.find(({ kind, text }) => kind === 'word' && text === 'concurrently')
  if (!word) return statement.text
  return statement.text.slice(0, word.start - from) + statement.text.slice(word.end - from)
}
