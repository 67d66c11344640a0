import type { ServerError } from './server-error.ts'
import { MESSAGES } from './server-messages.ts'

/**
 * What the server says of an error, without the values in it: its message when it has one of the known shapes, or an error
 * found in the text of the statement, before any value was looked at. Else nothing, and the SQLSTATE has to do: for
 * messages in another language, for whatever a function raised itself, and for names in SQL that a function put together.
 *
 * @param text the statement, where no value is in it
 */
export function reasonOf(error: ServerError, text?: string): string | undefined {
  const { code, message, position, internalPosition, where = '' } = error
  if (isRaised(error) || message.length > MAX_LENGTH) return undefined
  const { quoted, rest } = roomIn(where)
  const callers = rest.split('\n').filter((line) => CALLER.test(line))
  const inRoom = callers.length > 0 && callers.every((line) => ROOM.test(line))
  // The body of a function that is made now is read by a caller too, and stands in the statement.
  const isItsOwn = inRoom || standsIn(quoted, message)
  if (callers.length > 0 && !isItsOwn && NAMES.test(code)) return undefined
  const inText = position !== undefined || (isItsOwn && internalPosition !== undefined)
  // `$1::regclass` says the same of a value: the name must stand in the statement, which the room's context quotes.
  const isNamed = !MISSING.test(message) || inText || standsIn(text ?? (inRoom ? where : ''), message)
  for (const shape of isNamed ? (MESSAGES[code] ?? []) : []) {
    const said = saidBy(shape, message)
    if (said !== undefined) return said
  }
  return code.startsWith('42') && inText && !LITERAL.test(message) ? message : undefined
}

const MISSING = / does not exist$/

/** The statement that the room executes, whose own text may hold any words: the outermost one, nothing of what that called. */
function roomIn(where: string): { quoted: string; rest: string } {
  const end = [...where.matchAll(ROOM_END)].at(-1)
  const start = end ? `\n${where}`.lastIndexOf('\nSQL statement "', end.index) : -1
  if (!end || start < 0) return { quoted: '', rest: where }
  const behind = end.index + end[0].length
  return { quoted: where.slice(start, behind), rest: where.slice(0, start) + where.slice(behind) }
}

/** Whether all the names in a message are in the text of the statement. */
function standsIn(text: string, message: string): boolean {
  const names = [...message.matchAll(/"([^"]*)"|^(?:function|procedure|routine) (\w+)\(/g)].map(
    ([, name, called = '']) => name ?? called,
  )
  return names.length > 0 && names.every((name) => text.includes(name))
}

/** A function that called; the room (admin/tenant-room.ts) executes statements as they were written. */
const CALLER = / function /
const ROOM = /\b_room_[0-9a-f]{24}\b/
/** Where the statement ends that the room executes. */
const ROOM_END = /\/\* _room_[0-9a-f]{24} -?\d{1,20} \*\/"$/gm
/** Conditions whose messages name what the statement names; of a function's definition only types. */
const NAMES = /^(?:42(?!P13)|2B|3D|3F|55)/

/** Whether somebody's code raised it (RAISE, and the same of other languages): by the routine, manual 54.8. */
export function isRaised({ routine = '' }: ServerError): boolean {
  return /^(?:exec_stmt_(?:raise|assert)$|PLy_|plperl_|pltcl_|plv8)/.test(routine)
}

const MAX_LENGTH = 500
/** A literal of the statement: `syntax error at or near "'ann@x'"`, `near "$$ann$$"`, `near ".789"`, `ORDER BY position 41`. */
const LITERAL = /at or near "(?:[.\d"]|[^"]*[^\w$.;,:()[\]<>=+*/"-]|[^"]*\$\D)|\bposition -?\d/

/** What may stand in each place of a shape. */
const KINDS: Readonly<Record<string, RegExp>> = {
  name: /^[^"\n]{1,63}$/,
  type: /^[\w .,()[\]"$]{1,200}$/,
  object: /^[a-z][\w .,()[\]"$]{1,200}$/,
  words: /^[a-z][a-z -]{0,60}$/,
  WORDS: /^[A-Z][A-Z ]{0,60}$/,
  n: /^-?\d{1,20}$/,
  value: /^/,
}

/** The message as it may be repeated, when it has this shape: values are left out. */
function saidBy(shape: string, message: string): string | undefined {
  const [head = '', ...rest] = shape.split(/[{}]/)
  if (!message.startsWith(head)) return undefined
  let [said, at] = [head, head.length]
  for (let part = 0; part < rest.length; part += 2) {
    const [kind = '', literal = ''] = rest.slice(part, part + 2)
    // A value may hold anything, so what stands behind it is looked for from the end.
    const end =
      literal === ''
        ? message.length
        : kind === 'value'
          ? message.lastIndexOf(literal)
          : message.indexOf(literal, at)
    const found = message.slice(at, Math.max(at, end))
    if (end < at || KINDS[kind]?.test(found) !== true) return undefined
    said += (kind === 'value' ? '…' : found) + literal
    at = end + literal.length
  }
  return at === message.length ? said : undefined
}
