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
  const are = (row: Tuple, which: readonly string[]) =>
    which.map((column) => `${quoteIdentifier(column)} = ${literal(row[columns.indexOf(column)])}`)
  if (change.kind === 'insert') {
    if (columns.length === 0) return `insert into ${table} default values`
    const list = columns.map(quoteIdentifier).join(', ')
    return `insert into ${table} (${list}) overriding system value values (${change.row.map(literal).join(', ')})`
  }
  if (change.kind === 'delete')
    return one(`delete from only ${table} where ${are(change.old, key).join(' and ')} returning 1`)
  const { old, row } = change
  const sets = columns.flatMap((column, at) => {
    const value = row[at]
    const same = value === undefined || fixed.includes(column) || (!old && key.includes(column))
    return same ? [] : [`${quoteIdentifier(column)} = ${literal(value)}`]
  })
  if (sets.length === 0 && fixed.length === 0) return undefined
  // What cannot be written has to be there: it has another value by SET … = DEFAULT only.
  const found = [...are(old ?? row, key), ...are(row, fixed)]
  if (sets.length === 0) return one(`select from only ${table} where ${found.join(' and ')}`)
  return one(`update only ${table} set ${sets.join(', ')} where ${found.join(' and ')} returning 1`)
}

/** Division by zero unless it found one row: more than one have a key where an operator of the tenant says so. */
const one = (statement: string) => `with done as (${statement})
  select pg_catalog.int4div(1, case when pg_catalog.int84eq(pg_catalog.count(*), 1) then 1 else 0 end) from done`
