import { quoteIdentifier } from '../../sql/identifier.ts'
import { scan } from '../../sql/scan.ts'
import type { StructureStatement } from './statement.ts'

/** The schema's name in stored statements: no schema can have it (`pg_` is reserved, manual CREATE SCHEMA). */
const HERE = 'pg_tenant:here'

/**
 * The same statement for a schema of another name. Names inside function bodies are texts and stay; so do values. A
 * function's own `SET search_path` follows.
 */
export function renameSchemaIn(sql: string, from: string, to: string): string {
  if (from === to || !sql.includes(from)) return sql
  const tokens = scan(sql)
  let [out, at] = ['', 0]
  let path = false
  for (const [index, token] of tokens.entries()) {
    const { kind, text, start, end } = token
    const next = tokens[index + 1]
    if (kind === 'word' && text === 'as') path = false
    if (kind === 'word' && text === 'search_path') path = true
    const identifier = (kind === 'word' || kind === 'quoted') && text.replaceAll('""', '"') === from
    const named =
      identifier &&
      ((next?.text === '.' && tokens[index - 1]?.text !== '.') || isSchemaOf(tokens[index - 1]?.text))
    const inPath = path && kind === 'string' && text === from
    if (!named && !inPath) continue
    out += sql.slice(at, start) + (inPath ? `'${to.replaceAll("'", "''")}'` : quoteIdentifier(to))
    at = end
  }
  return out + sql.slice(at)
}

/** `alter default privileges in schema x` */
const isSchemaOf = (before: string | undefined): boolean => before === 'schema'

/** As it is kept in an archive, so that two schemas of different names compare. */
export const toHere = (made: StructureStatement, schema: string): StructureStatement =>
  rename(made, schema, HERE)
export const fromHere = (made: StructureStatement, schema: string): StructureStatement =>
  rename(made, HERE, schema)

function rename({ what, phase, sql }: StructureStatement, from: string, to: string): StructureStatement {
  return { what: renameSchemaIn(what, from, to), phase, sql: renameSchemaIn(sql, from, to) }
}
