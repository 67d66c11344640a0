import type { ParsedTable } from './sealed-table.ts'

/** Quotes an identifier (PostgreSQL manual, 4.1.1): the only place of this package that does. */
function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** The statements for one table. Key columns are called `key_0`, `key_1`, … and travel as text. */
export interface TableSql {
  /** $1 how many: the first rows in the order of the key */
  readonly first: string
  /** $1 how many, $2… the key after which to go on */
  readonly next: string
  /** $1… arrays of the key's columns: these rows again */
  readonly again: string
  /** $1 stored values, $2 new values, $3… arrays of the key's columns */
  readonly swap: string
}

export function sqlFor({ table, keys, value }: ParsedTable): TableSql {
  const columns = keys.map(({ column }) => `stored.${quote(column)}`)
  const selected = columns.map((column, i) => `${column}::text as key_${i}`).join(', ')
  const after = keys.map(({ type }, i) => `$${i + 2}::text::${type}`).join(', ')
  const arrays = (from: number) => keys.map(({ type }, i) => `$${i + from}::text[]::${type}[]`).join(', ')
  const names = keys.map((_, i) => `key_${i}`).join(', ')
  const same = (other: string) => columns.map((column, i) => `${column} = ${other}.key_${i}`).join(' and ')
  const rows = `select ${selected}, stored.${quote(value)} as value`
  const from = `from ${quote(table)} as stored where stored.${quote(value)} is not null`
  const page = `order by ${columns.join(', ')} limit $1`
  return {
    first: `${rows} ${from} ${page}`,
    next: `${rows} ${from} and (${columns.join(', ')}) > (${after}) ${page}`,
    again: `${rows} from unnest(${arrays(1)}) as given (${names}) join ${quote(table)} as stored on ${same('given')}
where stored.${quote(value)} is not null`,
    // A row somebody else is changing is skipped, not waited for: who never waits while holding locks is part of
    // no deadlock, so no request ever fails because of a rotation. The value is compared after the row is locked.
    swap: `with free as materialized (
  select ${columns.map((column, i) => `${column} as key_${i}`).join(', ')}, given.fresh
  from ${quote(table)} as stored join unnest($1::text[], $2::text[], ${arrays(3)}) as given (old, fresh, ${names})
    on ${same('given')} and stored.${quote(value)} = given.old
  for update of stored skip locked
)
update ${quote(table)} as stored set ${quote(value)} = free.fresh
from free where ${same('free')}
returning ${selected}`,
  }
}
