import { firstWords } from '../sql/first-words.ts'
import { scan, type Token } from '../sql/scan.ts'

/** What a statement asks of the transaction it runs in, rather than of the data. */
export type Command =
  | { readonly kind: 'begin'; readonly mode: Mode }
  | { readonly kind: 'mode'; readonly mode: Mode; readonly session: boolean }
  | { readonly kind: 'commit' | 'rollback'; readonly chain: boolean }
  | { readonly kind: 'savepoint' | 'release' | 'rollbackTo'; readonly name: string }
  | { readonly kind: 'set'; readonly name: string; readonly value: string; readonly local: boolean }
  | { readonly kind: 'reset'; readonly name: string | null }

/** The characteristics of a transaction that a statement names (manual, SET TRANSACTION). */
export interface Mode {
  readonly isolationLevel?: 'read committed' | 'repeatable read' | 'serializable'
  readonly readOnly?: boolean
  readonly deferrable?: boolean
}

/** Reads transaction and session commands; `undefined` for everything else, also for what is to be refused in words. */
export function commandOf(text: string): Command | undefined {
  const [first] = firstWords(text).words
  const read = first === undefined || !Object.hasOwn(READERS, first) ? undefined : READERS[first]
  if (!read) return undefined
  const tokens = scan(text).filter(({ kind, text: symbol }) => kind !== 'symbol' || symbol !== ';')
  return read(tokens.slice(1))
}

const READERS: Readonly<Record<string, (rest: readonly Token[]) => Command | undefined>> = {
  begin: (rest) => begin(without(rest, 'work', 'transaction')),
  start: (rest) => (is(rest[0], 'transaction') ? begin(rest.slice(1)) : undefined),
  commit: (rest) => ending('commit', rest),
  end: (rest) => ending('commit', rest),
  rollback: (rest) => rollbackTo(rest) ?? ending('rollback', rest),
  abort: (rest) => ending('rollback', rest),
  savepoint: (rest) => named('savepoint', rest),
  release: (rest) => named('release', without(rest, 'savepoint')),
  set: setting,
  reset: (rest) => {
    if (is(rest[0], 'all') && rest.length === 1) return { kind: 'reset', name: null }
    const name = nameOf(rest)
    return name === undefined ? undefined : { kind: 'reset', name }
  },
  discard: (rest) => (is(rest[0], 'all') && rest.length === 1 ? { kind: 'reset', name: null } : undefined),
}

function begin(rest: readonly Token[]): Command | undefined {
  const mode = modeOf(rest)
  return mode && { kind: 'begin', mode }
}

/** `isolation level serializable, read only, not deferrable`, with or without commas. */
function modeOf(tokens: readonly Token[]): Mode | undefined {
  const words = tokens.filter(({ text }) => text !== ',')
  if (words.some(({ kind }) => kind !== 'word')) return undefined
  let rest = words.map(({ text }) => text).join(' ')
  let mode: Mode = {}
  while (rest !== '') {
    const found = CHARACTERISTICS.find(([phrase]) => rest === phrase || rest.startsWith(`${phrase} `))
    if (!found) return undefined
    mode = { ...mode, ...found[1] }
    rest = rest.slice(found[0].length + 1)
  }
  return mode
}

const CHARACTERISTICS: readonly (readonly [string, Mode])[] = [
  ['isolation level serializable', { isolationLevel: 'serializable' }],
  ['isolation level repeatable read', { isolationLevel: 'repeatable read' }],
  ['isolation level read committed', { isolationLevel: 'read committed' }],
  // PostgreSQL treats it as read committed (manual 13.2).
  ['isolation level read uncommitted', { isolationLevel: 'read committed' }],
  ['read only', { readOnly: true }],
  ['read write', { readOnly: false }],
  ['not deferrable', { deferrable: false }],
  ['deferrable', { deferrable: true }],
]

function ending(kind: 'commit' | 'rollback', tokens: readonly Token[]): Command | undefined {
  const rest = without(tokens, 'work', 'transaction').map(({ text }) => text)
  if (rest.length === 0 || rest.join(' ') === 'and no chain') return { kind, chain: false }
  return rest.join(' ') === 'and chain' ? { kind, chain: true } : undefined
}

function rollbackTo(tokens: readonly Token[]): Command | undefined {
  const rest = without(tokens, 'work', 'transaction')
  return is(rest[0], 'to') ? named('rollbackTo', without(rest.slice(1), 'savepoint')) : undefined
}

function named(kind: 'savepoint' | 'release' | 'rollbackTo', rest: readonly Token[]): Command | undefined {
  const [name] = rest
  if (rest.length !== 1 || (name?.kind !== 'word' && name?.kind !== 'quoted')) return undefined
  return { kind, name: name.text }
}

function setting(tokens: readonly Token[]): Command | undefined {
  const characteristics = ['session', 'characteristics', 'as', 'transaction']
  if (characteristics.every((word, at) => is(tokens[at], word))) return modeCommand(tokens.slice(4), true)
  if (is(tokens[0], 'transaction')) return modeCommand(tokens.slice(1), false)
  const local = is(tokens[0], 'local')
  const rest = without(tokens, 'session', 'local')
  if (is(rest[0], 'time') && is(rest[1], 'zone')) return timeZone(rest.slice(2), local)
  if (is(rest[0], 'names')) return valueCommand('client_encoding', rest.slice(1), local)
  const at = rest.findIndex((token) => (token.kind === 'symbol' && token.text === '=') || is(token, 'to'))
  const name = at < 0 ? undefined : nameOf(rest.slice(0, at))
  return name === undefined ? undefined : valueCommand(name, rest.slice(at + 1), local)
}

/** `interval '+02:00' hour to minute` is kept as `set_config` takes it. */
function timeZone(tokens: readonly Token[], local: boolean): Command | undefined {
  const [first, offset] = tokens
  if (!is(first, 'interval') || offset?.kind !== 'string') return valueCommand('timezone', tokens, local)
  return { kind: 'set', name: 'timezone', value: `interval '${offset.text.replaceAll("'", "''")}'`, local }
}

function modeCommand(tokens: readonly Token[], session: boolean): Command | undefined {
  const mode = modeOf(tokens)
  return mode && { kind: 'mode', mode, session }
}

/** One value, or a list of them: strings, words, or numbers with their sign. `default` and `local` mean the setting of the connection. */
function valueCommand(name: string, tokens: readonly Token[], local: boolean): Command | undefined {
  if (
    tokens.length === 0 ||
    tokens.some(({ text, kind }) => kind === 'symbol' && text !== '-' && text !== '+' && text !== ',')
  )
    return undefined
  if (tokens.length === 1 && (is(tokens[0], 'default') || is(tokens[0], 'local')))
    return { kind: 'reset', name }
  return { kind: 'set', name, value: tokens.map(({ text }) => text).join(''), local }
}

/** `name` or `prefix.name`. */
function nameOf(tokens: readonly Token[]): string | undefined {
  if (
    tokens.length === 0 ||
    tokens.some(({ kind, text }) => kind !== 'word' && kind !== 'quoted' && text !== '.')
  )
    return undefined
  return tokens.map(({ text }) => text).join('')
}

function without(tokens: readonly Token[], ...noise: readonly string[]): readonly Token[] {
  return tokens[0]?.kind === 'word' && noise.includes(tokens[0].text) ? tokens.slice(1) : tokens
}

function is(token: Token | undefined, word: string): boolean {
  return token?.kind === 'word' && token.text === word
}
