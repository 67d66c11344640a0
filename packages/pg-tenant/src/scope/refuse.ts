import { TenancyError } from '@org/core'
import { firstWords } from '../sql/first-words.ts'
import { scanned, type Token } from '../sql/scan.ts'
import { PORTAL_PREFIX } from './control.ts'

const TRANSACTION =
  'The scope owns its transaction: return to commit, throw to roll back, nest with db.savepoint(fn).'
const SESSION = 'It would outlive the scope on a shared connection.'
const PREPARED = 'Pass { name, text, values } to db.query to use a prepared statement.'

const OWN_PORTAL = `The scope itself depends on its portal. Name your cursors otherwise than ${PORTAL_PREFIX}…, close them one by one.`
const CURSOR_COMMANDS: ReadonlySet<string> = new Set(['fetch', 'move', 'close', 'declare'])

/** First word of a statement → why it is refused and what to do instead. */
const REFUSED: Readonly<Record<string, string>> = {
  abort: TRANSACTION,
  begin: TRANSACTION,
  commit: TRANSACTION,
  end: TRANSACTION,
  rollback: TRANSACTION,
  start: TRANSACTION,
  savepoint: TRANSACTION,
  release: TRANSACTION,
  prepare: `${SESSION} ${PREPARED}`,
  execute: PREPARED,
  deallocate: SESSION,
  set: `${SESSION} For this transaction only: select set_config(name, value, true).`,
  reset: SESSION,
  discard: SESSION,
  listen:
    'Notifications of all tenants would arrive on a shared connection. Listen on a connection of your own.',
  unlisten: SESSION,
  load: SESSION,
  copy: 'Use db.copyFrom(sql) or db.copyTo(sql), which stream the data.',
}

/**
 * Refuses statements that would end the scope's transaction or leave something on the connection (hazards f, k', m).
 * The extended protocol takes one statement at a time, so its first words decide. What hides in functions or DO
 * blocks is caught later: by command tags and by the gate's second row.
 *
 * @throws TenancyError STATEMENT_REFUSED; nothing was sent, the scope stays usable
 */
export function refuseUnsafe(text: string): void {
  if (passed.has(text)) return
  check(text)
  if (text.length > MAX_LENGTH) return
  if (passed.size >= MAX_TEXTS) passed.clear()
  passed.add(text)
}

/** Texts that were let through: programs run few, again and again. How many are remembered, and how long they may be, in characters. */
const passed = new Set<string>()
const MAX_TEXTS = 500
const MAX_LENGTH = 2_000

function check(text: string): void {
  const { words } = firstWords(text)
  const [first, second] = words
  if (first === undefined) return
  let why = Object.hasOwn(REFUSED, first) ? REFUSED[first] : undefined
  if (first === 'set' && second === 'constraints') why = undefined
  if (first === 'close' && second === 'all') why = OWN_PORTAL
  if (CURSOR_COMMANDS.has(first) && text.toLowerCase().includes(PORTAL_PREFIX)) why = OWN_PORTAL
  if (first === 'declare' && isHoldable(text)) why = `${SESSION} Declare the cursor without HOLD.`
  if (first === 'notify' && hasPayload(text)) {
    why = 'Its payload would reach listeners of every tenant. Notify without payload, and let them look.'
  }
  if (why !== undefined) throw refused(first.toUpperCase(), why)
}

/** Refuses everything that is not a COPY, for the COPY streams. */
export function requireCopy(text: string): void {
  if (firstWords(text).words[0] !== 'copy')
    throw refused('this', 'copyFrom and copyTo take a single COPY statement.')
}

/** Command tags that a scope's statements must never answer with; a start is enough. */
const FORBIDDEN_TAGS =
  /^(BEGIN|START TRANSACTION|COMMIT|ROLLBACK|PREPARE|SAVEPOINT|RELEASE|SET$|RESET|DISCARD|LISTEN|UNLISTEN|DEALLOCATE|LOAD|CLOSE CURSOR ALL)/

/** Whether a statement that was let through turned out to be one of those (the second line of defence). */
export function isForbiddenTag(tag: string): boolean {
  return FORBIDDEN_TAGS.test(tag)
}

/** `WITH HOLD` behind the name, the options and the word CURSOR; the name may be anything in quotes, escapes included. */
function isHoldable(text: string): boolean {
  const rest = behindName(text)
  const [first, second] = rest.slice(rest.findIndex((token) => isWord(token, 'cursor')) + 1)
  return first === undefined || (isWord(first, 'with') && isWord(second, 'hold'))
}

/** Anything behind the channel. */
function hasPayload(text: string): boolean {
  return behindName(text).length > 0
}

/** The tokens behind a command and the name it takes, which is one token, or three with `UESCAPE '…'`. */
function behindName(text: string): readonly Token[] {
  const tokens = scanned(text).filter(({ kind, text }) => kind !== 'symbol' || text !== ';')
  return tokens.slice(isWord(tokens[2], 'uescape') ? 4 : 2)
}

function isWord(token: Token | undefined, word: string): boolean {
  return token?.kind === 'word' && token.text === word
}

function refused(command: string, why: string): TenancyError {
  return new TenancyError('STATEMENT_REFUSED', `A tenant scope does not run ${command}. ${why}`, {
    details: { command },
  })
}

/** @throws TenancyError VALIDATION_ERROR when what should be run in a scope does not run by being called */
export function requireCallback(fn: unknown): void {
  if (isCallback(fn)) return
  throw new TenancyError(
    'VALIDATION_ERROR',
    'A scope takes a function that is no generator: withTenant(key, async (db) => …).',
  )
}

/** A generator's body does not run when it is called: the scope would commit, and nothing of it have happened. */
export const isCallback = (fn: unknown): boolean =>
  typeof fn === 'function' && !GENERATORS.has(Object.getPrototypeOf(fn))

const GENERATORS: ReadonlySet<unknown> = new Set(
  [function* () {}, async function* () {}].map((fn) => Object.getPrototypeOf(fn)),
)

/** A callback returned while something it had started was still running (hazard d). */
export function notAwaited(): TenancyError {
  return new TenancyError(
    'QUERY_NOT_AWAITED',
    'The callback returned while a query (or stream or savepoint) of it was still running, so everything was rolled ' +
      'back. Await every promise you get from db.',
  )
}

/** A callback caught the error of a failed statement and went on (hazard a). */
export function swallowed(first: TenancyError): TenancyError {
  return new TenancyError(
    'SILENT_ROLLBACK',
    'A statement failed and the callback went on as if it had not. PostgreSQL would have answered COMMIT with a ' +
      'rollback; everything was rolled back. Let the error through, or put the statement in db.savepoint(fn).',
    { details: { first: first.code, sqlState: first.details.sqlState ?? null }, cause: first },
  )
}
