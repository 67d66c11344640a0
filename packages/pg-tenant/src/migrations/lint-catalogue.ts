import type { LintFinding } from './lint-finding.ts'
import type { Script } from './script.ts'
import type { Statement } from './statements.ts'

/** Catalogues of the whole database, and what says in them which schema is meant. */
const SCHEMA_IN: Readonly<Record<string, string>> = {
  pg_type: 'typnamespace = current_schema()::regnamespace',
  pg_class: 'relnamespace = current_schema()::regnamespace',
  pg_constraint: 'connamespace = current_schema()::regnamespace',
  pg_proc: 'pronamespace = current_schema()::regnamespace',
  pg_enum: "enumtypid = 'the type'::regtype",
  pg_trigger: "tgrelid = 'the table'::regclass",
  pg_policy: "polrelid = 'the table'::regclass",
  pg_indexes: 'schemaname = current_schema()',
  pg_tables: 'schemaname = current_schema()',
  pg_views: 'schemaname = current_schema()',
  pg_matviews: 'schemaname = current_schema()',
  pg_sequences: 'schemaname = current_schema()',
  pg_policies: 'schemaname = current_schema()',
  information_schema: 'table_schema = current_schema()',
}
const ASKS =
  /\b(?:from|join)\s{1,20}(?:pg_catalog\s{0,20}\.\s{0,20})?(pg_(?:type|class|constraint|proc|enum|trigger|policy|policies|indexes|tables|views|matviews|sequences)|information_schema)\b/i
/** Whatever the block compares with: it has thought of schemas. */
const SAYS_WHICH =
  /namespace|_schema\b(?!\s{0,20}\.)|schemaname|nspname|regclass|regtype|regproc|regrole|is_visible/i
const COMMENTS = /--[^\n]{0,1000}|\/\*[^*]{0,2000}\*\//g

/**
 * `if not exists (select from pg_type where typname = 'mood') then create type …` in a DO block: once one tenant has the type, the next
 * goes without. The information schema shows what one has rights to, which at most levels is one's own.
 */
export function asksWholeDatabase({ id, wholeDatabase }: Script, statement: Statement): LintFinding[] {
  if (statement.head[0] !== 'do' || wholeDatabase) return []
  return statement.tokens.flatMap(({ kind, text }): LintFinding[] => {
    if (kind !== 'string') return []
    const body = text.replace(COMMENTS, ' ')
    const catalogue = ASKS.exec(body)?.[1]?.toLowerCase()
    if (catalogue === undefined || SAYS_WHICH.test(body)) return []
    const severity = catalogue === 'information_schema' ? 'warning' : 'error'
    const message =
      `This block asks ${catalogue} about the whole database, so that a tenant may go without what another has. Say which schema is ` +
      `meant (${SCHEMA_IN[catalogue]}), or begin the file with: -- pg-tenant: whole-database`
    return [{ severity, rule: 'whole-database', migration: id, line: statement.line, message }]
  })
}
