import { qualify, quoteIdentifier, quoteText } from '../../sql/identifier.ts'
import type { Message, Relation, Tuple } from './pgoutput.ts'
import type { Followed } from './publication.ts'

type Change = Extract<Message, { kind: 'insert' | 'update' | 'delete' }>

/** A statement that does to a table what was done to the one it is a copy of; it fails unless that is one row. */
export function statementOf(
  schema: string,
  { columns, name }: Relation,
  { key, fixed }: Followed,
  change: Change,
): string | undefined {
  const table = qualify(schema, name)
  const literal = (value: string | null | undefined) => (value == null ? 'null' : quoteText(value))
  const where = (row: Tuple) =>
    key.map((column) => `${quoteIdentifier(column)} = ${literal(row[columns.indexOf(column)])}`).join(' and ')
  if (change.kind === 'insert') {
    if (columns.length === 0) return `insert into ${table} default values`
    const list = columns.map(quoteIdentifier).join(', ')
    return `insert into ${table} (${list}) overriding system value values (${change.row.map(literal).join(', ')})`
  }
  if (change.kind === 'delete') return one(`delete from only ${table} where ${where(change.old)}`)
  const { old, row } = change
  const sets = columns.flatMap((column, at) => {
    const value = row[at]
    const same = value === undefined || fixed.includes(column) || (!old && key.includes(column))
    return same ? [] : [`${quoteIdentifier(column)} = ${literal(value)}`]
  })
  if (sets.length === 0) return undefined
  return one(`update only ${table} set ${sets.join(', ')} where ${where(old ?? row)}`)
}

/** Division by zero where it found no row; there is never more than one with a key. */
const one = (statement: string) =>
  `with done as (${statement} returning 1) select pg_catalog.int8div(1, pg_catalog.count(*)) from done`
