import { type ErrorCode, type ErrorDetails, SQLSTATE, violatedField } from '@org/core'
import type { ServerError } from './server-error.ts'
import { isRaised } from './server-reason.ts'

/** What a refused value is to a client: a code, and the rule it broke. */
export interface BrokenRule {
  readonly code: ErrorCode
  readonly rule:
    | 'check'
    | 'encoding'
    | 'exclusion'
    | 'format'
    | 'out_of_range'
    | 'reference'
    | 'referenced'
    /** one row was to be written twice by one statement */
    | 'repeated'
    | 'required'
    | 'too_long'
    /** said by the code already */
    | undefined
}

const invalid = (rule: BrokenRule['rule']): BrokenRule => ({ code: 'VALIDATION_ERROR', rule })
const conflict = (rule: BrokenRule['rule']): BrokenRule => ({ code: 'CONFLICT', rule })

/** Conditions that are about what was sent (manual, appendix A): another value goes through, the same one never does. */
const RULES: Readonly<Record<string, BrokenRule>> = {
  '22001': invalid('too_long'),
  '22003': invalid('out_of_range'),
  '22007': invalid('format'),
  '22008': invalid('out_of_range'),
  '22009': invalid('out_of_range'),
  '22015': invalid('out_of_range'),
  '22018': invalid('format'),
  '22019': invalid('format'),
  '22021': invalid('encoding'),
  '22025': invalid('format'),
  '22026': invalid('too_long'),
  '22030': invalid('format'),
  '22032': invalid('format'),
  '2200M': invalid('format'),
  '2200N': invalid('format'),
  '2200S': invalid('format'),
  '2201B': invalid('format'),
  '2201W': invalid('out_of_range'),
  '2201X': invalid('out_of_range'),
  '22P02': invalid('format'),
  '22P03': invalid('format'),
  '22P04': invalid('format'),
  '22P05': invalid('encoding'),
  '23001': conflict('referenced'),
  '23502': invalid('required'),
  '23503': conflict('reference'),
  '23505': { code: 'DUPLICATE_RESOURCE', rule: undefined },
  '23514': invalid('check'),
  '23P01': conflict('exclusion'),
  '44000': invalid('check'),
}

/** The rule that a value broke; `undefined` when it is not about a value, or somebody's own code raised it. */
export function brokenRule(error: ServerError): BrokenRule | undefined {
  const { code, message } = error
  // A unique violation stays one, whoever says so.
  if (isRaised(error)) return code === '23505' ? RULES[code] : undefined
  if (code === '54000' && /^(?:index row|string is too long for tsvector) /.test(message))
    return invalid('too_long')
  // The referencing table is named in both; which of the two it is stands in the words or, in any language, in the routine.
  if (code === '23503' && message.startsWith('update or delete')) return conflict('referenced')
  if (Object.hasOwn(RULES, code)) return RULES[code]
  if (code === '21000' && WRITES_TWICE.test(error.routine ?? '')) return invalid('repeated')
  if (code === '22000' && error.routine === MAKES_RANGES) return invalid('out_of_range')
  if (code === SQLSTATE.INVALID_PARAMETER_VALUE && TAKERS.test(error.routine ?? '')) return invalid('format')
  return isOfParameter(error) || isOfText(error) ? invalid('format') : undefined
}

/** What refuses to write a row that the same statement wrote: an upsert or MERGE of a list that names it twice. */
const WRITES_TWICE = /^(?:ExecOnConflictUpdate|ExecMergeMatched)$/
/** What refuses a range that ends before it begins. */
const MAKES_RANGES = 'range_serialize'
/**
 * What reads a text that people send without a type of its own (time zones, units of time, encoded bytes, sizes), and takes JSON apart that
 * has another shape. The condition alone says nothing: a setting's value and a `format()` that is the program's have it too.
 */
const TAKERS =
  /^(?:DecodeTimezoneName|parse_sane_timezone|time(?:stamp)?(?:tz)?_i?zone|timestamptz_trunc_\w+|(?:interval|timestamp)_trunc|\w+_part_common|hex_decode\w*|get_hex|pg_base64_decode|pg_size_bytes|parse_ident|JsValueToJsObject|cannotCastJsonbValue|hash_(?:array_start|scalar)|(?:alen|each|elements|okeys|populate_recordset)_\w+|jsonb_(?:array_length|object_keys))$/
/** Data exceptions, the syntax of what a type reads (tsvector, jsonpath), and JSON too deep. Names of objects are the program's. */
const READ = /^(?:22|42601|54001)/
/** What reads a syntax of its own in a text, as `to_tsquery` does. */
const READERS = /^(?:makepol|gettoken_query\w*|prssyntaxerror|jsonpath_yyerror|unistr)$/

/** Whether a value could not be read as its type, and nobody's function was called for it. */
function isOfParameter(error: ServerError): boolean {
  return READ.test(error.code) && parameterOf(error) !== undefined && !error.where?.includes(' function ')
}

/** Whether a text could not be read as the syntax a function takes, and it stands nowhere in the statement. */
const isOfText = ({ code, routine = '', position }: ServerError): boolean =>
  code === SQLSTATE.SYNTAX_ERROR && READERS.test(routine) && position === undefined

/** Names in an error (manual 54.8). */
export const NAMED = ['schema', 'table', 'column', 'constraint', 'dataType'] as const

const PLAIN = /^[a-z_][a-z0-9_]{0,62}$/

/** What an error names. RAISE … USING CONSTRAINT = … takes any text: of that only what is a plain name. */
export function namesOf(error: ServerError): Partial<Record<(typeof NAMED)[number], string>> {
  const isName = isRaised(error) ? PLAIN : /./s
  return Object.fromEntries(
    NAMED.flatMap((kind) => (isName.test(error[kind] ?? '') ? [[kind, error[kind]]] : [])),
  )
}

/** Names and numbers of an error, of values only which field it was: never the value. */
export function detailsOf(error: ServerError): ErrorDetails {
  const { code, column } = error
  const raised = isRaised(error)
  const details: Record<string, string | number> = { sqlState: code, ...namesOf(error) }
  const broken = brokenRule(error)
  const [copied, line] = copyPlace(error)
  const field = broken === undefined || raised ? undefined : (column ?? copied ?? violatedField(error))
  const parameter = parameterOf(error)
  if (field) details.field = field
  if (broken?.rule) details.rule = broken.rule
  if (parameter !== undefined) details.parameter = parameter
  if (line !== undefined) details.line = line
  return details
}

/** The column, where it got as far, and line of COPY data: `COPY notes, line 3, column body: "…"` in the context. */
function copyPlace({ where = '' }: ServerError): [column?: string | undefined, line?: number] {
  const [, line, column] =
    /^COPY [^,\n]*, line (\d{1,15})(?:, column ([^:\n]{1,63}))?(?::|$)/.exec(where.slice(0, 300)) ?? []
  return line === undefined ? [] : [column, Number(line)]
}

/** Which parameter could not be read: `unnamed portal parameter $2 = '…'` in the context (since PostgreSQL 13). */
function parameterOf({ where }: ServerError): number | undefined {
  const [, number] = /portal (?:"[^"\n]*" )?parameter \$(\d{1,5})\b/.exec(where?.slice(0, 300) ?? '') ?? []
  return number === undefined ? undefined : Number(number)
}
