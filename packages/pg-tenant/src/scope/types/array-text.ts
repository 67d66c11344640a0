/**
 * Reads PostgreSQL's text form of an array (manual 8.15.6): nested braces, quotes, `NULL`, and bounds, which are left out as `pg`
 * leaves them out. Linear in the length of the text.
 *
 * @param read reads one element's text
 * @throws RangeError when the text is no array
 */
export function readArray(text: string, read: (element: string) => unknown): unknown[] {
  const start = text.startsWith('[') ? text.indexOf('=') + 1 : 0
  let at = start
  const elements = (): unknown[] => {
    if (text[at] !== '{') throw notAnArray()
    at++
    const found: unknown[] = []
    if (text[at] === '}') {
      at++
      return found
    }
    for (;;) {
      found.push(element())
      const next = text[at++]
      if (next === '}') return found
      if (next !== ',') throw notAnArray()
    }
  }
  const element = (): unknown => {
    if (text[at] === '{') return elements()
    if (text[at] === '"') return read(quoted())
    const from = at
    while (at < text.length && text[at] !== ',' && text[at] !== '}') at++
    const bare = text.slice(from, at)
    return bare === 'NULL' ? null : read(bare)
  }
  const quoted = (): string => {
    const parts: string[] = []
    let from = ++at
    while (text[at] !== '"') {
      if (at >= text.length) throw notAnArray()
      if (text[at] === '\\') {
        parts.push(text.slice(from, at))
        from = ++at
      }
      at++
    }
    parts.push(text.slice(from, at))
    at++
    return parts.join('')
  }
  const found = elements()
  if (at !== text.length) throw notAnArray()
  return found
}

function notAnArray(): RangeError {
  return new RangeError('not the text of an array')
}
