import { createHash } from 'node:crypto'
import { firstWords } from '../sql/first-words.ts'
import { scan, type Token } from '../sql/scan.ts'

/** Texts whose fingerprints are remembered. */
const REMEMBERED = 500
/** Longer texts are not read. */
const MAX_TEXT = 100_000
const UNREADABLE = '?'

const OPERATIONS = new Set(
  `select insert update delete merge with values table call do copy explain declare fetch move close lock truncate create
  alter drop grant revoke comment refresh analyze vacuum reindex cluster set reset show notify listen unlisten`
    .trim()
    .split(/\s+/),
)

const known = new Map<string, string>()

/** The first word in upper case, if it is one of SQL's; else `OTHER`. Never what somebody else wrote there. */
export function operationOf(text: string): string {
  const [first = ''] = firstWords(text).words
  return OPERATIONS.has(first) ? first.toUpperCase() : 'OTHER'
}

/**
 * The statement's shape: words and identifiers as they are, each literal and parameter a `?`, lists of them one `?`, neither
 * comments nor white space. What cannot be read is `?`.
 */
export function normalise(text: string): string {
  if (text.length > MAX_TEXT) return UNREADABLE
  try {
    return shapeOf(scan(text))
  } catch {
    return UNREADABLE
  }
}

/**
 * 16 hexadecimal digits that are the same for statements of one shape. With it a statement in a log, a span or a report of a
 * slow scope is found again: `fingerprint(text)` of the sources' texts.
 *
 * @example
 * ```ts
 * import { fingerprint } from '@org/pg-tenant/observe'
 *
 * fingerprint('select * from note where id = 7') === fingerprint('select * from note where id = 8') // → true
 * ```
 */
export function fingerprint(text: string): string {
  const found = known.get(text)
  if (found !== undefined) return found
  const made = createHash('sha256').update(normalise(text)).digest('hex').slice(0, 16)
  const [oldest] = known.keys()
  if (known.size >= REMEMBERED && oldest !== undefined) known.delete(oldest)
  if (text.length <= MAX_TEXT / 10) known.set(text, made)
  return made
}

function shapeOf(tokens: readonly Token[]): string {
  const parts: string[] = []
  for (let at = 0; at < tokens.length; at++) {
    const { kind, text } = tokens[at] as Token
    const parameter = kind === 'symbol' && text === '$' && tokens[at + 1]?.kind === 'number'
    if (parameter) at++
    const part =
      parameter || kind === 'string' || kind === 'number' ? '?' : kind === 'quoted' ? `"${text}"` : text
    // `?, ?` and `?, ?, ?` are one shape: the lengths of lists differ from call to call.
    if (part === '?' && parts.at(-1) === ',' && parts.at(-2) === '?') parts.pop()
    else parts.push(part)
  }
  return parts.join(' ')
}
