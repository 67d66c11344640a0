import type { LintFinding } from './lint-finding.ts'
import type { Script } from './script.ts'
import type { Statement } from './statements.ts'

type Complaint = readonly [rule: string, message: string]

const INDEX =
  'Writes wait while the index is built. On tables that are large anywhere use CREATE INDEX CONCURRENTLY in a no-transaction migration.'
const TYPE =
  'Changing a type rewrites the table while nobody can read it. Add a column, backfill, switch, drop.'
const CONSTRAINT =
  'Reads every row under a lock. Add it NOT VALID here, and VALIDATE CONSTRAINT in a later migration.'
const NOT_NULL =
  'Reads every row under a lock. Add CHECK (… IS NOT NULL) NOT VALID, validate it, then SET NOT NULL is instant.'
const REMOVES =
  'The previous release still uses this. Put it into a migration with: -- pg-tenant: phase=contract'

/** What would make running scopes wait, or break the release before. `created`: tables new in this migration. */
export function lockWarnings(
  script: Script,
  { head, tokens }: Statement,
  created: ReadonlySet<string>,
): Complaint[] {
  const words = ` ${tokens.map(({ kind, text }) => (kind === 'word' ? text : '_')).join(' ')} `
  const has = (text: string) => words.includes(` ${text} `)
  const [first] = head
  const touches = tokens.some(({ kind, text }) => (kind === 'word' || kind === 'quoted') && created.has(text))
  const found: Complaint[] = []
  if (first === 'create' && / create (unique )?index /.test(words) && !touches) {
    found.push(['index-locks', INDEX])
  }
  if (first === 'alter' && has('table') && !touches) {
    const set = has('set data type') || / alter (column )?(\w+) type /.test(words)
    if (set) found.push(['type-rewrites', TYPE])
    const adds = /(?<!drop) (foreign key|check) /.test(words) && has('add')
    if (adds && !has('not valid')) found.push(['constraint-locks', CONSTRAINT])
    if (has('set not null')) found.push(['not-null-locks', NOT_NULL])
  }
  if (script.phase === 'expand' && removes(words)) found.push(['expand-removes', REMOVES])
  return found
}

function removes(words: string): boolean {
  return / drop (table|column|view|type|function) /.test(words) || / rename (column |to )/.test(words)
}

const NOBODY =
  'Row-level security does not bind the owner of a table, and a tenant owns its tables: these policies bind nobody. Add ' +
  'ALTER TABLE … FORCE ROW LEVEL SECURITY.'

const HIDDEN =
  'Forced row-level security binds the owner as well: this changes only rows that the policies let through without a user, maybe none. ' +
  'Write ALTER TABLE … NO FORCE ROW LEVEL SECURITY before it, and FORCE ROW LEVEL SECURITY behind it.'

/** Statements that change rows of tables whose row-level security is enabled and forced by then, over all migrations. */
export function hiddenFromOwner(scripts: readonly Script[]): LintFinding[] {
  const [enabled, forced] = [new Set<string>(), new Set<string>()]
  return scripts.flatMap(({ id, statements }) =>
    statements.flatMap((statement): LintFinding[] => {
      const table = tableOf(statement)
      if (table !== undefined)
        for (const how of switchesOf(statement)) {
          if (how === 'enable') enabled.add(table)
          if (how === 'disable') enabled.delete(table)
          if (how === 'force') forced.add(table)
          if (how === 'no') forced.delete(table)
        }
      const changed = changedBy(statement)
      if (changed === undefined || !enabled.has(changed) || !forced.has(changed)) return []
      return [
        { severity: 'warning', rule: 'row-security', migration: id, line: statement.line, message: HIDDEN },
      ]
    }),
  )
}

/** The name in UPDATE [ONLY] name, DELETE FROM [ONLY] name. */
function changedBy({ head, tokens }: Statement): string | undefined {
  let at = head[0] === 'update' ? 1 : head[0] === 'delete' ? 2 : undefined
  if (at === undefined) return undefined
  if (tokens[at]?.text === 'only' && tokens[at]?.kind === 'word') at += 1
  return tokens[at]?.text
}

/** Tables whose row-level security is enabled and never forced, over all migrations. */
export function boundNobody(scripts: readonly Script[]): LintFinding[] {
  const enabled = new Map<string, LintFinding>()
  const forced = new Set<string>()
  for (const { id, statements } of scripts) {
    for (const statement of statements) {
      const table = tableOf(statement)
      if (table === undefined) continue
      const { line } = statement
      const finding: LintFinding = {
        severity: 'warning',
        rule: 'row-security',
        migration: id,
        line,
        message: NOBODY,
      }
      for (const how of switchesOf(statement)) {
        if (how === 'enable') enabled.set(table, finding)
        if (how === 'disable') enabled.delete(table)
        if (how === 'force') forced.add(table)
        if (how === 'no') forced.delete(table)
      }
    }
  }
  return [...enabled].flatMap(([table, finding]) => (forced.has(table) ? [] : [finding]))
}

/** The word before each ROW LEVEL SECURITY: enable, disable, force, or of NO FORCE the first. */
function switchesOf({ tokens }: Statement): string[] {
  return tokens.flatMap(({ kind, text }, at) => {
    const [level, security] = [tokens[at + 1], tokens[at + 2]]
    if (kind !== 'word' || text !== 'row' || level?.text !== 'level' || security?.text !== 'security')
      return []
    return [tokens[at - 2]?.text === 'no' ? 'no' : (tokens[at - 1]?.text ?? '')]
  })
}

/** The name in ALTER TABLE [IF EXISTS] [ONLY] name. */
function tableOf({ head, tokens }: Statement): string | undefined {
  if (head[0] !== 'alter' || head[1] !== 'table') return undefined
  let at = 2
  if (tokens[at]?.text === 'if') at += 2
  if (tokens[at]?.text === 'only' && tokens[at]?.kind === 'word') at += 1
  return tokens[at]?.text
}
