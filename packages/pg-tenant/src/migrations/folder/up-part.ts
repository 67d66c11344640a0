import { TenancyError } from '@org/core'
import { scanned } from '../../sql/scan.ts'

/** A line that tells tools which way the SQL behind it leads; the tools are named in the table below. */
interface Marker {
  readonly pattern: RegExp
  /** What the lines behind it are. */
  readonly leads: 'up' | 'down'
  /** Whether it is words that people write by hand, too, and no tool's own sign. */
  readonly plain?: true
}

/** Comment lines by which migration tools part what is applied from what takes it back. Each is matched against one line. */
const MARKERS: readonly Marker[] = [
  // dbmate, goose, sql-migrate, node-pg-migrate
  { pattern: /^\s{0,20}--\s{0,20}(?:migrate:|\+goose\s{1,20}|\+migrate\s{1,20})up\b/i, leads: 'up' },
  { pattern: /^\s{0,20}--\s{0,20}(?:migrate:|\+goose\s{1,20}|\+migrate\s{1,20})down\b/i, leads: 'down' },
  { pattern: /^\s{0,20}--[\s-]{0,20}up\s{1,20}migration\b/i, leads: 'up', plain: true },
  { pattern: /^\s{0,20}--[\s-]{0,20}down\s{1,20}migration\b/i, leads: 'down', plain: true },
  // Play evolutions, MyBatis, tern, and those who write it plainly
  { pattern: /^\s{0,20}(?:#|--)[\s-]{0,20}!ups\b/i, leads: 'up' },
  { pattern: /^\s{0,20}(?:#|--)[\s-]{0,20}!downs\b/i, leads: 'down' },
  { pattern: /^\s{0,20}--\s{0,20}\/\/\s{0,20}@undo\b/i, leads: 'down' },
  { pattern: /^----\s{0,20}create above \/ drop below/i, leads: 'down' },
  { pattern: /^\s{0,20}--[\s-]{0,20}up\s{0,20}$/i, leads: 'up', plain: true },
]

/** Written plainly it may be a comment like any other: only a part that began with `-- up` ends here. */
const PLAIN_DOWN = /^\s{0,20}--[\s-]{0,20}down\s{0,20}$/i

/**
 * A comment line of one such word and signs around it (rambler, micrate, and who writes by hand): where SQL follows that takes back. In the
 * file of a tool that has signs of its own it is a comment, as it is to the tool.
 */
const AHEAD = '^\\s{0,20}(?:--|/\\*)[\\W_]{0,40}(?:(?:rambler|micrate|migrat(?:e|ion)|name)[\\W_]{1,20})?'
const BEHIND = '(?:[\\W_]{1,20}(?:migration|script|sql))?[\\W_]{0,40}$'
const ANY_UP = new RegExp(`${AHEAD}(?:up|upgrade|do|apply|forwards?)${BEHIND}`, 'i')
const ANY_DOWN = new RegExp(
  `${AHEAD}(?:down|downgrade|undo|rollback|revert|reverse|backwards?)${BEHIND}`,
  'i',
)

/** How tools say that a migration cannot run in a transaction: dbmate, goose, sql-migrate, sqlx, Atlas, tern, postgres-migrations. */
const NO_TRANSACTION =
  /^\s{0,20}--\s{0,20}(?:migrate:up\s[^\n]{0,80}transaction:\s{0,5}false|\+goose\s{1,20}no\s{1,20}transaction\b|\+migrate\s{1,20}up\s{1,20}notransaction\b|no-transaction\s{0,20}$|atlas:txmode\s{1,20}none\b|(?:--\s{0,20})?tern:\s{0,20}disable-tx\b|postgres-migrations\s{1,20}disable-transaction\b)/i

const NOTHING = '-- nothing to apply\n'

/** What tools would replace or leave out, and this library does not. */
interface Unsupported {
  readonly pattern: RegExp
  readonly what: string
  /** The first file may say it. */
  readonly behindOthers?: true
}

const UNSUPPORTED: readonly Unsupported[] = [
  { pattern: /^\s{0,20}--\s{0,20}\+goose\s{1,20}envsub\s{1,20}on\b/i, what: 'goose’s ENVSUB' },
  { pattern: /^\s{0,20}--\s{0,20}liquibase\s{1,20}formatted\s{1,20}sql\b/i, what: 'Liquibase’s change sets' },
  {
    pattern: /^\s{0,20}--\s{0,20}atlas:txtar\b/i,
    what: 'Atlas’s archive of files (its down.sql would run, too)',
  },
  {
    // Empty lines beside semicolons part nothing that those do not.
    pattern: /^\s{0,20}--\s{0,20}atlas:delimiter\s{1,20}(?!(?:\\n|;){1,20}\s{0,20}$)/i,
    what: 'what ends statements in place of the semicolon (Atlas)',
  },
  {
    pattern: /^\s{0,20}--\s{0,20}atlas:checkpoint\b/i,
    what: 'Atlas’s checkpoint, which makes again what the files before it made,',
    behindOthers: true,
  },
]

/**
 * The part of a file that applies the migration. What takes it back, and markers, become empty lines, so that the lines of
 * errors are those of the file; a file without markers is returned as it is.
 *
 * @param first whether there are no files before it
 * @throws TenancyError INVALID_OPTION for what only the tool itself can run
 */
export function upPart(sql: string, id: string, first: boolean): string {
  const lines = sql.split('\n')
  const { quoted, code } = linesOf(sql)
  const ofTool = lines.some(
    (line, at) => !quoted.has(at) && MARKERS.some(({ pattern, plain }) => !plain && pattern.test(line)),
  )
  const says = (words: RegExp, at: number) => !ofTool && words.test(lines[at] ?? '')
  const leading = linesLeadingToCode(code, lines)
  const takesBack = (at: number) => says(ANY_DOWN, at) && leading.has(at)
  const kept: string[] = []
  const state = { up: true, marked: false, changed: false }
  for (const [at, line] of lines.entries()) {
    const outside = !quoted.has(at)
    if (outside) refuseUnsupported(line, at, id, first)
    const applies = outside && says(ANY_UP, at)
    const marker = outside ? markerOf(line, at, id, { ...state, applies }, takesBack) : undefined
    if (marker) Object.assign(state, { up: marker === 'up', marked: true })
    else if (applies) state.marked = true
    if (outside && state.up && NO_TRANSACTION.test(line)) kept.push('-- pg-tenant: no-transaction')
    else kept.push(marker || !state.up ? '' : line)
    state.changed ||= kept[at] !== line
  }
  if (!state.changed) return sql
  // Tools apply a migration that is there only by its name, too.
  return kept.every((line) => line.trim() === '') ? NOTHING : kept.join('\n')
}

function markerOf(
  line: string,
  at: number,
  id: string,
  { up, marked, applies }: { up: boolean; marked: boolean; applies: boolean },
  takesBack: (at: number) => boolean,
): 'up' | 'down' | undefined {
  const found = MARKERS.find(({ pattern }) => pattern.test(line))
  if (found) return found.leads
  if (!up && applies) return 'up'
  if (!PLAIN_DOWN.test(line) && !takesBack(at)) return undefined
  if (marked) return 'down'
  throw new TenancyError(
    'INVALID_OPTION',
    `Migration ${id}, line ${at + 1}: does what follows take the migration back? Then write "-- up" before the part that is ` +
      'to be run; if not, change this comment.',
    { details: { option: 'folder', migration: id, line: at + 1 } },
  )
}

function refuseUnsupported(line: string, at: number, id: string, first: boolean): void {
  const found = UNSUPPORTED.find(
    ({ pattern, behindOthers }) => pattern.test(line) && !(first && behindOthers),
  )
  if (!found) return
  throw new TenancyError(
    'INVALID_OPTION',
    `Migration ${id}, line ${at + 1}: ${found.what} cannot be run here. Write plain SQL.`,
    { details: { option: 'folder', migration: id, line: at + 1 } },
  )
}

/** Lines behind which SQL stands, before the next that leads another way. */
function linesLeadingToCode(code: ReadonlySet<number>, lines: readonly string[]): ReadonlySet<number> {
  const leading = new Set<number>()
  let leads = false
  for (let at = lines.length - 1; at >= 0; at--) {
    const line = lines[at] ?? ''
    if (leads) leading.add(at)
    if (code.has(at)) leads = true
    else if (ANY_UP.test(line) || MARKERS.some(({ pattern }) => pattern.test(line))) leads = false
  }
  return leading
}

/** Lines that begin inside a string or a quoted name, where what looks like a marker is data; and lines on which SQL begins. */
function linesOf(sql: string): { quoted: ReadonlySet<number>; code: ReadonlySet<number> } {
  const [quoted, code] = [new Set<number>(), new Set<number>()]
  let [line, seen] = [0, 0]
  for (const { kind, start, end } of scanned(sql)) {
    for (; seen < start; seen++) if (sql[seen] === '\n') line++
    if (kind !== 'breakpoint') code.add(line)
    for (; seen < end; seen++) {
      if (sql[seen] !== '\n') continue
      line++
      if (kind === 'string' || kind === 'quoted') quoted.add(line)
    }
  }
  return { quoted, code }
}
