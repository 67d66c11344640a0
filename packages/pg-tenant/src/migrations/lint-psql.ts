import type { Token } from '../sql/scan.ts'
import type { LintFinding } from './lint-finding.ts'
import type { Script } from './script.ts'
import type { Statement } from './statements.ts'

/**
 * Commands and variables of psql, which pg_dump writes too (`\\restrict`, `\\connect`): the server knows none of them.
 */
export function psqlLines(script: Script, { tokens, text, line }: Statement): LintFinding[] {
  const from = tokens[0]?.start ?? 0
  const lineAt = (at: number) => line + text.slice(0, at - from).split('\n').length - 1
  return tokens.flatMap((token, at) => {
    const what = isCommand(tokens, at) ? COMMAND : isVariable(tokens, at) ? VARIABLE : undefined
    return what === undefined
      ? []
      : [{ severity: 'error', rule: 'psql', migration: script.id, line: lineAt(token.start), message: what }]
  })
}

const COMMAND =
  'A psql command (a line that begins with a backslash), which only psql understands. Take it out; pg_dump writes it too.'
const VARIABLE = 'A psql variable (:name), which only psql replaces. Write the value itself.'

function isCommand(tokens: readonly Token[], at: number): boolean {
  const [token, next] = [tokens[at], tokens[at + 1]]
  return token?.kind === 'symbol' && token.text === '\\' && next?.kind === 'word' && next.start === token.end
}

/** `:name`, `:'name'`, `:"name"`; not `::type`, `:=`, or the bounds of an array (`a[1:n]`). */
function isVariable(tokens: readonly Token[], at: number): boolean {
  const [before, token, next] = [tokens[at - 1], tokens[at], tokens[at + 1]]
  if (token?.kind !== 'symbol' || token.text !== ':' || next?.start !== token.end) return false
  if (before?.text === ':' && before.kind === 'symbol' && before.end === token.start) return false
  if (next.kind !== 'word' && next.kind !== 'string' && next.kind !== 'quoted') return false
  return !inBrackets(tokens, at)
}

function inBrackets(tokens: readonly Token[], at: number): boolean {
  let depth = 0
  for (const { kind, text } of tokens.slice(0, at)) {
    if (kind !== 'symbol') continue
    if (text === '[') depth++
    if (text === ']') depth--
  }
  return depth > 0
}
