import type { Migration } from '@org/core'
import { scanned, type Token } from '../../sql/scan.ts'
import { schemaInString } from '../lint-names.ts'

/**
 * Takes `"schema".` off every name, as drizzle-kit writes it before the tables of foreign keys (drizzle-orm #4369), and CREATE SCHEMA IF
 * NOT EXISTS "schema", with which Prisma begins. In the bodies of DO blocks and functions too, and where a string names a sequence or
 * table (`nextval('public.notes_id_seq')`, as pg_dump writes it).
 */
export function withoutSchema(migration: Migration, schema: string): Migration {
  return { ...migration, sql: unqualified(migration.sql, schema) }
}

function unqualified(sql: string, schema: string): string {
  // Code of another language may have quotes that never end: it stays. Those of SQL are told later, with their line.
  const tokens = scanned(sql)
  let [text, at, isCode] = ['', 0, false]
  for (const [index, token] of tokens.entries()) {
    const end = createsSchema(tokens.slice(index, index + 7), schema) ? tokens[index + 6] : undefined
    const before = tokens[index - 1]
    const begins = before === undefined || before.text === ';' || before.kind === 'breakpoint'
    if (end && begins) {
      text += sql.slice(at, token.start)
      at = end.end
    }
    if (begins) isCode = CODE.test(wordsFrom(tokens, index))
    const own = token.kind === 'string' ? inString(sql, tokens, index, schema, isCode) : undefined
    if (own !== undefined) {
      text += sql.slice(at, token.start) + own
      at = token.end
    }
    const dot = tokens[index + 1]
    const names = (token.kind === 'quoted' || token.kind === 'word') && token.text === schema
    if (!names || dot?.kind !== 'symbol' || dot.text !== '.') continue
    text += sql.slice(at, token.start)
    at = dot.end
  }
  return text + sql.slice(at)
}

/** How statements begin whose dollar-quoted strings are code. */
const CODE = /^(?:do|create (?:or replace )?(?:function|procedure))\b/

const wordsFrom = (tokens: readonly Token[], index: number) =>
  tokens
    .slice(index, index + 4)
    .map(({ text }) => text)
    .join(' ')

/** What is to stand in the place of a string, or undefined where it stays. */
function inString(
  sql: string,
  tokens: readonly Token[],
  index: number,
  schema: string,
  isCode: boolean,
): string | undefined {
  const { start, end, text } = tokens[index] as Token
  const raw = sql.slice(start, end)
  if (raw.startsWith('$')) {
    const tag = raw.slice(0, raw.indexOf('$', 1) + 1)
    return isCode ? tag + unqualified(text, schema) + tag : undefined
  }
  if (schemaInString(tokens, index) !== schema) return undefined
  return raw.slice(0, raw.indexOf("'") + 1) + raw.slice(raw.indexOf('.', raw.indexOf(schema)) + 1)
}

function createsSchema(tokens: readonly Token[], schema: string): boolean {
  const words = tokens.map(({ text }) => text)
  return words.join(' ') === `create schema if not exists ${schema} ;` && tokens[6]?.kind === 'symbol'
}
