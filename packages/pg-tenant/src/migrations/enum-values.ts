import type { Token } from '../sql/scan.ts'
import { inTransaction, type Script } from './script.ts'
import type { Statement } from './statements.ts'

/** A statement that makes an enum, and the values it is to have, as they are written. */
interface Made {
  readonly statement: Statement
  readonly name: Token
  readonly values: Token[]
  /** The values' own text. */
  readonly texts: string[]
}

/** The statements of these migrations for one transaction; `fresh` where it makes all there is. */
export function filesOf(scripts: readonly Script[], fresh: boolean): (readonly Statement[])[] {
  const files = scripts.map(inTransaction)
  return fresh ? withValuesFromTheStart(files) : files
}

/**
 * For a tenant that is made now, in one transaction: what later statements add to an enum goes into the one that makes it. A value that
 * was added cannot be used before COMMIT, in PostgreSQL 15 and 16 not even where the type itself is as new. What cannot be told from
 * the text (a type that was renamed or made again, a DO block) stays as it is.
 */
function withValuesFromTheStart(files: readonly (readonly Statement[])[]): (readonly Statement[])[] {
  const open = new Map<string, Made>()
  const changed = new Map<Statement, Made>()
  const added = new Set<Statement>()
  for (const statement of files.flat()) {
    const made = madeBy(statement)
    const type = made ? undefined : open.get(nameAfterType(statement)?.text ?? '')
    if (made) open.set(made.name.text, made)
    else if (type && addTo(type, statement)) {
      changed.set(type.statement, type)
      added.add(statement)
    } else if (type) open.delete(type.name.text)
  }
  if (added.size === 0) return [...files]
  return files.map((statements) =>
    statements
      .filter((statement) => !added.has(statement))
      .map((statement) => withValues(statement, changed.get(statement))),
  )
}

/** CREATE TYPE name AS ENUM ('…', …). */
function madeBy(statement: Statement): Made | undefined {
  const { head, tokens } = statement
  const [, , name, as, what, opens] = tokens
  if (head[0] !== 'create' || head[1] !== 'type' || !name || as?.text !== 'as' || what?.text !== 'enum')
    return undefined
  const values = tokens.slice(6, -1).filter(({ kind }) => kind === 'string')
  const whole =
    opens?.text === '(' &&
    tokens.at(-1)?.text === ')' &&
    tokens.length === 7 + Math.max(0, 2 * values.length - 1)
  return whole
    ? { statement, name, values, texts: values.map((value) => rawOf(statement, value)) }
    : undefined
}

/** The name behind TYPE in ALTER TYPE name, DROP TYPE [IF EXISTS] name. */
function nameAfterType({ head, tokens }: Statement): Token | undefined {
  if ((head[0] !== 'alter' && head[0] !== 'drop') || head[1] !== 'type') return undefined
  return tokens[2]?.text === 'if' && tokens[2].kind === 'word' ? tokens[4] : tokens[2]
}

/** ALTER TYPE name ADD VALUE [IF NOT EXISTS] 'new' [BEFORE | AFTER 'other']. */
function addTo({ values, texts }: Made, statement: Statement): boolean {
  const [add, value, ...rest] = statement.tokens.slice(3)
  if (add?.text !== 'add' || value?.text !== 'value') return false
  const unless = rest[0]?.text === 'if'
  const [label, where, other, ...more] = unless ? rest.slice(3) : rest
  if (label?.kind !== 'string' || more.length > 0) return false
  const there = values.some(({ text }) => text === label.text)
  if (there) return unless
  const beside = values.findIndex(({ text }) => text === other?.text)
  // Behind UESCAPE stands no value.
  if (where && (beside < 0 || where.text === 'uescape')) return false
  const at = where === undefined ? values.length : where.text === 'before' ? beside : beside + 1
  values.splice(at, 0, label)
  texts.splice(at, 0, rawOf(statement, label))
  return true
}

function rawOf({ text, tokens }: Statement, { start, end }: Token): string {
  const from = tokens[0]?.start ?? 0
  return text.slice(start - from, end - from)
}

function withValues(statement: Statement, made: Made | undefined): Statement {
  if (!made) return statement
  return {
    ...statement,
    text: `create type ${rawOf(statement, made.name)} as enum (${made.texts.join(', ')})`,
  }
}
