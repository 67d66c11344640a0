/** How many words are of interest: enough for `declare c insensitive no scroll cursor with hold`. */
const WORDS = 8

/** Where a statement begins. */
export interface FirstWords {
  readonly words: readonly string[]
  /** The character behind the last word, or `` at the end of the text. */
  readonly next: string
}

/**
 * The first words of a statement in lower case, as PostgreSQL's scanner finds them (manual 4.1): white space,
 * `--` comments, nested block comments, empty statements and opening parentheses in front are skipped. Stops at
 * the first thing that is not a plain word.
 */
export function firstWords(text: string): FirstWords {
  const words: string[] = []
  let at = skip(text, 0, true)
  while (words.length < WORDS) {
    const start = at
    while (at < text.length && isWordPart(text.charCodeAt(at))) at++
    if (at === start) break
    words.push(text.slice(start, at).toLowerCase())
    at = skip(text, at, false)
  }
  return { words, next: text[at] ?? '' }
}

function skip(text: string, from: number, leading: boolean): number {
  let at = from
  for (;;) {
    const char = text[at]
    if (char === undefined) return at
    if (isSpace(char) || (leading && (char === ';' || char === '('))) at++
    else if (char === '-' && text[at + 1] === '-') at = endOfLine(text, at)
    else if (char === '/' && text[at + 1] === '*') at = endOfComment(text, at)
    else return at
  }
}

/** PostgreSQL's white space: space, tab, newline, carriage return, form feed and (since 16) vertical tab. */
function isSpace(char: string): boolean {
  return char === ' ' || char === '\n' || char === '\t' || char === '\r' || char === '\f' || char === '\v'
}

function isWordPart(code: number): boolean {
  return (
    (code >= 97 && code <= 122) || // a-z
    (code >= 65 && code <= 90) || // A-Z
    (code >= 48 && code <= 57) || // 0-9
    code === 95 || // _
    code === 36 || // $
    code >= 128
  )
}

function endOfLine(text: string, from: number): number {
  let at = from
  while (at < text.length && text[at] !== '\n' && text[at] !== '\r') at++
  return at
}

/** Block comments nest in PostgreSQL. */
function endOfComment(text: string, from: number): number {
  let depth = 0
  let at = from
  while (at < text.length) {
    if (text[at] === '/' && text[at + 1] === '*') {
      depth++
      at += 2
    } else if (text[at] === '*' && text[at + 1] === '/') {
      depth--
      at += 2
      if (depth === 0) return at
    } else at++
  }
  return at
}
