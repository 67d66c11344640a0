import { TenancyError } from '@org/core'
import { sameWords } from '../../sql/same-words.ts'
import { PHASE, type StructureStatement } from './statement.ts'

/** What is compared. */
export interface Comparison {
  /** Whether both were written by one major version of PostgreSQL: others may word the same definition differently. */
  readonly words: boolean
  /** Whether both are of levels that give the same privileges. */
  readonly privileges: boolean
}

/**
 * Compares what an archive says a schema is made of with what it is made of now.
 *
 * @throws TenancyError CONFLICT (`details.reason` `drift`) that names what differs
 */
export function requireSame(
  expected: readonly StructureStatement[],
  found: readonly StructureStatement[],
  { words, privileges }: Comparison,
): void {
  // What a stub was for is compared itself; whether it needs one is another thing in each major version.
  const compared = ({ what, phase }: StructureStatement) =>
    (privileges || phase < PHASE.privilege || phase >= PHASE.refresh) && !what.startsWith('stub of ')
  const comparable = (one: readonly StructureStatement[]) =>
    one.filter(compared).flatMap((made) => (words ? [made] : splitNotNull(made)))
  const there = new Map(comparable(found).map(({ what, sql }) => [what, sql]))
  const differences: string[] = []
  for (const { what, sql } of comparable(expected)) {
    const now = there.get(what)
    if (now === undefined) differences.push(`${what} is missing`)
    else if (words && !sameWords(now, sql) && !sameWords(now, withoutToast(what, sql, now)))
      differences.push(`${what} is another`)
    there.delete(what)
  }
  differences.push(...[...there.keys()].map((what) => `${what} is new`))
  if (differences.length > 0) throw drifted(differences)
}

// A name is quoted where it has to be, and a quote in it is two: parts in quotes side by side. Between the constraint's name and NOT NULL
// there is nothing: a CHECK speaks of NOT NULL, too.
const NOT_NULL =
  /^alter table ((?:"[^"]*"|[^" ])+) add constraint (?:"[^"]*"|[^" ])+ NOT NULL ((?:"[^"]*"|[^" ])+)(?: NO INHERIT)?(?: NOT VALID)?$/

/**
 * A table keeps the one behind it for large values when its last column of such a type is dropped. Made anew it gets none, and the server
 * takes options for that one and forgets them, without a word.
 */
function withoutToast(what: string, sql: string, now: string): string {
  if (!what.startsWith('table ')) return sql
  let [made, kept] = [sql, '']
  // Of a family they are statements of their own, the last ones.
  for (
    let at = made.lastIndexOf(ONLY);
    at > 0 && made.includes(' set (toast.', at);
    at = made.lastIndexOf(ONLY)
  ) {
    if (now.includes(made.slice(at))) kept = made.slice(at) + kept
    made = made.slice(0, at)
  }
  made += kept
  return made.replace(/ with \(([^()]*)\)(?=$|; alter sequence )/, (_, options: string) => {
    const left = options.split(', ').filter((option) => !option.startsWith('toast.'))
    return left.length === 0 ? '' : ` with (${left.join(', ')})`
  })
}

const ONLY = '; alter table only '

/**
 * NOT NULL of a column that was inherited is said of the column up to PostgreSQL 17, and is a constraint with a name from 18
 * on: what is compared says it in one way.
 */
function splitNotNull(made: StructureStatement): StructureStatement[] {
  const { what, phase, sql } = made
  const statements = sql.split('; ')
  const isSet = (one: string) => one.endsWith(' set not null')
  if (/^column .* state$/s.test(what) && statements.some(isSet)) {
    const rest = statements.filter((one) => !isSet(one)).join('; ')
    const notNull = { what: `not null of ${what.slice('column '.length, -' state'.length)}`, phase, sql: '' }
    return rest === '' ? [notNull] : [notNull, { what, phase, sql: rest }]
  }
  const [, table, column] = NOT_NULL.exec(sql) ?? []
  return table === undefined ? [made] : [{ what: `not null of ${table}.${column}`, phase, sql: '' }]
}

/** Differences named in an error; the rest is counted. */
const NAMED = 20

function drifted(differences: readonly string[]): TenancyError {
  const drift = differences.slice(0, NAMED).join(', ').replaceAll('"pg_tenant:here".', '')
  const more = differences.length > NAMED ? ` and ${differences.length - NAMED} more` : ''
  return new TenancyError(
    'CONFLICT',
    `What was restored is not what the archive is of: ${drift}${more}. Nothing was kept.`,
    { details: { reason: 'drift', drift, count: differences.length } },
  )
}
