import { TenancyError } from '@org/core'
import type { CheckedMigration } from './migrations.ts'
import { type Statement, standsAlone, statementsOf } from './statements.ts'

/** A migration, read: its statements and how they are to be run. */
export interface Script extends Omit<CheckedMigration, 'transaction'>, Annotations {
  /** Its place in the order of migrations, from 1. */
  readonly ordinal: number
  readonly statements: readonly Statement[]
}

/** @throws TenancyError STATEMENT_REFUSED when a migration cannot be read */
export function readScripts(migrations: readonly CheckedMigration[]): Script[] {
  return migrations.map((migration, index) => {
    const { id, sql } = migration
    const said = annotationsOf(sql, id)
    return {
      ...{ ...migration, ...said, ordinal: index + 1, statements: statementsOf(sql, id) },
      transaction: said.transaction && migration.transaction !== false,
    }
  })
}

/** A new value of an enum cannot be used in the transaction that adds it (manual, ALTER TYPE), unless the type is as new. */
export function addsEnumValue({ head, tokens }: Statement): boolean {
  // In a DO block it stands in a string. A COMMIT too many does no harm.
  if (head[0] === 'do') return tokens.some(({ kind, text }) => kind === 'string' && ADDS_VALUE.test(text))
  return (
    head[0] === 'alter' &&
    head[1] === 'type' &&
    tokens.some(
      (token, at) => token.text === 'add' && token.kind === 'word' && tokens[at + 1]?.text === 'value',
    )
  )
}

const ADDS_VALUE = /\balter\s{1,20}type\b[^;]{1,400}\badd\s{1,20}value\b/i

/** The first of these migrations that one transaction can take: up to one behind which there must be a COMMIT. */
export function untilCommit<S extends Pick<Script, 'statements'>>(scripts: readonly S[]): readonly S[] {
  const at = scripts.findIndex(({ statements }) => statements.some(addsEnumValue))
  return at < 0 ? scripts : scripts.slice(0, at + 1)
}

/** Commands PostgreSQL refuses inside a transaction block, as far as a tenant may use them. */
export function needsNoTransaction(statement: Statement): boolean {
  return standsAlone(statement) !== undefined
}

/**
 * The same migration for a transaction: for a new tenant, whose tables are empty and nobody uses. CONCURRENTLY is left
 * out, VACUUM and REINDEX too, which empty tables do not need.
 */
export function inTransaction({ statements, transaction }: Script): readonly Statement[] {
  if (transaction) return statements
  return statements
    .filter((statement) => !isLeftOut(statement))
    .map((statement) => ({ ...statement, text: withoutConcurrently(statement) }))
}

/**
 * A statement as PL/pgSQL's EXECUTE takes it, which refuses SELECT … INTO alone (manual 43.5.4); EXPLAIN ANALYZE runs that,
 * too, with the same effect.
 */
export function textInRoom(statement: Statement): string {
  return selectsInto(statement)
    ? `explain (analyze, costs off, timing off, summary off) ${statement.text}`
    : statement.text
}

function selectsInto({ head, tokens }: Statement): boolean {
  if (head[0] !== 'select' && head[0] !== 'with') return false
  let depth = 0
  return tokens.some(({ kind, text }, at) => {
    if (kind === 'symbol' && text === '(') depth++
    if (kind === 'symbol' && text === ')') depth--
    const before = tokens[at - 1]?.text
    return kind === 'word' && text === 'into' && depth === 0 && before !== 'insert' && before !== 'merge'
  })
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

/** `expand` works with the previous release of the application, `contract` only after it is gone. */
export type Phase = 'expand' | 'contract'

/** What a migration says of itself in comments at its top. */
export interface Annotations {
  /** `-- pg-tenant: no-transaction`: its statements run one by one, outside a transaction. */
  readonly transaction: boolean
  /** `-- pg-tenant: phase=contract`; without one it is `expand`. */
  readonly phase: Phase
  /** `-- pg-tenant: whole-database`: its DO blocks mean to ask the catalogue about everybody's objects. */
  readonly wholeDatabase?: true
}

const LINE = /^--\s*pg-tenant:(.*)$/

/**
 * Reads the comments before the first statement.
 *
 * @throws TenancyError STATEMENT_REFUSED for an annotation there is not: a typo must not run a migration another way
 */
export function annotationsOf(sql: string, migration: string): Annotations {
  let transaction = true
  let phase: Phase = 'expand'
  let more: Pick<Annotations, 'wholeDatabase'> = {}
  for (const [index, text] of sql
    .replace(/^\ufeff/, '')
    .split('\n')
    .entries()) {
    const trimmed = text.trim()
    if (trimmed !== '' && !trimmed.startsWith('--')) break
    for (const word of LINE.exec(trimmed)?.[1]
      ?.trim()
      .split(/[\s,]+/) ?? []) {
      if (word === 'no-transaction') transaction = false
      else if (word === 'whole-database') more = { wholeDatabase: true }
      else if (word === 'phase=expand') phase = 'expand'
      else if (word === 'phase=contract') phase = 'contract'
      else throw unknown(migration, index + 1)
    }
  }
  return { transaction, phase, ...more }
}

function unknown(migration: string, line: number): TenancyError {
  return new TenancyError(
    'STATEMENT_REFUSED',
    `Migration ${migration}, line ${line}: there are the annotations no-transaction, phase=expand, phase=contract and whole-database.`,
    { details: { migration, line } },
  )
}
