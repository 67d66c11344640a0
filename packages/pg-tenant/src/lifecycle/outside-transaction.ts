import { indexName } from '../migrations/lint.ts'
import { needsNoTransaction, type Script } from '../migrations/script.ts'
import type { Statement } from '../migrations/statements.ts'
import { qualify } from '../sql/identifier.ts'

/** How many statements of a file have begun, and how many are done. */
export interface Progress {
  started: number
  done: number
}

/**
 * What a file without a transaction needs of the place where it runs. What was in the way is answered, as a `Trouble`; what
 * is thrown ends the run.
 */
export interface OutsideTransaction<Trouble> {
  readonly schema: string
  /** Notes that the file has begun and says in `at` how far an earlier try came. */
  start(at: Progress): Promise<Trouble | undefined>
  noteStarted(number: number): Promise<Trouble | undefined>
  noteDone(number: number): Promise<Trouble | undefined>
  /** Runs `text`, which stands for the statement, outside a transaction. */
  outsideTransaction(text: string, statement: Statement): Promise<Trouble | undefined>
  /** Runs the statement and notes that it is done, in one transaction. */
  inTransaction(statement: Statement, number: number): Promise<Trouble | undefined>
  /** Whether the index is valid; left out where there is none. */
  isValid(index: string, found: (valid: boolean) => void): Promise<Trouble | undefined>
  /** Whether the statement failed because what it names is not there. */
  isGone(trouble: Trouble): boolean
}

/** $1 schema, $2 index. */
export const VALID = `select i.indisvalid as valid from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indexrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relname = $2`

/**
 * Runs a migration without a transaction: its statements one by one, each noted when it begins and when it is done, so that
 * it goes on where it was cut off. What a killed CREATE INDEX CONCURRENTLY left (an invalid index) is dropped first.
 */
export async function runOutsideTransaction<Trouble>(
  { statements }: Script,
  place: OutsideTransaction<Trouble>,
): Promise<Trouble | undefined> {
  const at = { started: 0, done: 0 }
  let trouble = await place.start(at)
  for (let next = at.done; trouble === undefined && next < statements.length; next++) {
    const statement = statements[next] as Statement
    trouble = needsNoTransaction(statement)
      ? await runStatement(place, statement, next + 1, next < at.started)
      : await place.inTransaction(statement, next + 1)
  }
  return trouble
}

/** A statement PostgreSQL refuses in a transaction block, between two notes. */
async function runStatement<Trouble>(
  place: OutsideTransaction<Trouble>,
  statement: Statement,
  number: number,
  resumed: boolean,
): Promise<Trouble | undefined> {
  let trouble = await place.noteStarted(number)
  if (trouble !== undefined) return trouble
  const left = resumed ? await leftOver(place, statement) : undefined
  if (left?.trouble !== undefined) return left.trouble
  if (left?.state !== 'valid') {
    trouble = await place.outsideTransaction(statement.text, statement)
    const isDone = trouble !== undefined && resumed && statement.head[0] === 'drop' && place.isGone(trouble)
    if (trouble !== undefined && !isDone) return trouble
  }
  return await place.noteDone(number)
}

/** What a try before this one left of an index; an invalid one is dropped. */
async function leftOver<Trouble>(
  place: OutsideTransaction<Trouble>,
  statement: Statement,
): Promise<{ readonly state: 'none' | 'valid'; readonly trouble?: Trouble | undefined }> {
  const name = statement.head[0] === 'create' ? indexName(statement) : undefined
  if (name === undefined) return { state: 'none' }
  let valid: boolean | undefined
  let trouble = await place.isValid(name, (found) => {
    valid = found
  })
  if (valid === false)
    trouble ??= await place.outsideTransaction(
      `drop index concurrently ${qualify(place.schema, name)}`,
      statement,
    )
  return { state: valid ? 'valid' : 'none', trouble }
}
