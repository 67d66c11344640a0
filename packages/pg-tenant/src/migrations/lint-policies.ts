import type { LintFinding } from './lint-finding.ts'
import type { Script } from './script.ts'
import type { Statement } from './statements.ts'

const MESSAGE =
  'Row-level security does not bind the owner of a table, and a tenant owns its tables: these policies bind nobody. Add ' +
  'ALTER TABLE … FORCE ROW LEVEL SECURITY.'

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
        message: MESSAGE,
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
