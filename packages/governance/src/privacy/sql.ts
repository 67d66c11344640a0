import { quoteIdentifier, quoteLiteral } from '../sql/identifier.ts'
import type { ColumnRule, TableRules } from './personal-data.ts'

const ERASED_EMAIL = `'^erased-[0-9a-f-]{36}@erased[.]invalid$'`

/** @internal Which rows are a person's: `$1` is the id, with the table's prefix in front. */
export function ownRows({ subject }: TableRules): string {
  if (typeof subject === 'string') return `${quoteIdentifier(subject)}::text = $1::text`
  if (subject === undefined) return 'false'
  const { column, table, key } = subject
  return `${quoteIdentifier(column)} in (select ${quoteIdentifier(key)} from ${quoteIdentifier(table)} where %own%)`
}

/** @internal The same, for rows that belong to rows of another table. */
export function ownRowsOf(
  rules: TableRules,
  all: ReadonlyMap<string, TableRules>,
): { where: string; prefix: string } {
  const { subject, prefix = '' } = rules
  if (typeof subject !== 'object') return { where: ownRows(rules), prefix }
  const other = all.get(subject.table) as TableRules
  return { where: ownRows(rules).replace('%own%', () => ownRows(other)), prefix: other.prefix ?? '' }
}

/** @internal Erases what is personal, or counts what would be; touches no row that is erased already. */
export function eraseSql(
  table: string,
  rules: TableRules,
  where: string,
  dryRun = false,
): string | undefined {
  const name = quoteIdentifier(table)
  const personal = Object.entries(rules.columns).filter(([, rule]) => rule !== 'keep')
  if (personal.length === 0 && !rules.delete) return undefined
  const open = personal.map(([column, rule]) => isOpen(column, rule))
  const due = rules.delete ? where : `${where} and (${open.join(' or ')})`
  if (dryRun) return `select from ${name} where ${due}`
  if (rules.delete) return `delete from ${name} where ${due}`
  const sets = personal.map(([column, rule]) => `${quoteIdentifier(column)} = ${erasedValue(column, rule)}`)
  return `update ${name} set ${sets.join(', ')} where ${due}`
}

function erasedValue(column: string, rule: ColumnRule): string {
  const name = quoteIdentifier(column)
  if (rule === 'null') return 'null'
  if (rule === 'text') return `case when ${name} is null then null else 'erased' end`
  if (rule === 'email') {
    return `case when ${name} is null or ${name} ~ ${ERASED_EMAIL} then ${name}
      else 'erased-' || gen_random_uuid() || '@erased.invalid' end`
  }
  return constant(rule)
}

function isOpen(column: string, rule: ColumnRule): string {
  const name = quoteIdentifier(column)
  if (rule === 'null') return `${name} is not null`
  if (rule === 'text') return `${name} <> 'erased'`
  if (rule === 'email') return `${name} !~ ${ERASED_EMAIL}`
  return `${name} is distinct from ${constant(rule)}`
}

function constant(rule: ColumnRule): string {
  const { value } = rule as { value: string | number | boolean }
  return typeof value === 'string' ? quoteLiteral(value) : String(value)
}

/** @internal A person's rows, every declared column. */
export function selectSql(table: string, rules: TableRules, where: string): string {
  const columns = Object.keys(rules.columns).map(quoteIdentifier).join(', ')
  return `select ${columns} from ${quoteIdentifier(table)} where ${where} order by 1`
}

/** @internal Columns of the tenant's tables; in its scope, so that it is its own schema that is looked at. */
export const COLUMNS = `select c.relname as table, a.attname as column
  from pg_catalog.pg_class c join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where c.relnamespace = pg_catalog.current_schema()::pg_catalog.regnamespace and c.relkind in ('r', 'p')
    and not c.relispartition and not pg_catalog.starts_with(c.relname, '_tenant_')
  order by 1, a.attnum`
