/** What the part of YAML that our compose files keep to can hold. */
export type Yaml = string | null | readonly Yaml[] | { readonly [key: string]: Yaml }

interface Line {
  readonly number: number
  readonly indent: number
  readonly text: string
}

/**
 * Reads the part of YAML 1.2 that the compose files use: block mappings and lists, lists of quoted strings in brackets,
 * plain and quoted scalars (all of them strings here). Throws at anything else, so that nothing is read differently
 * from what Docker reads.
 */
export function parseYaml(source: string): Yaml {
  const lines: Line[] = []
  for (const [index, raw] of source.split('\n').entries()) {
    const text = raw.trim()
    if (text === '' || text.startsWith('#')) continue
    if (raw.includes('\t')) throw new SyntaxError(`line ${index + 1}: a tab`)
    lines.push({ number: index + 1, indent: raw.length - raw.trimStart().length, text })
  }
  const reader = { lines, at: 0 }
  const value = block(reader, lines[0]?.indent ?? 0)
  const left = lines[reader.at]
  if (left) throw new SyntaxError(`line ${left.number}: wrong indentation`)
  return value
}

interface Reader {
  readonly lines: readonly Line[]
  at: number
}

function block(reader: Reader, indent: number): Yaml {
  const first = reader.lines[reader.at]
  if (!first || first.indent < indent) return null
  return first.text.startsWith('- ') ? list(reader, first.indent) : mapping(reader, first.indent)
}

function list(reader: Reader, indent: number): Yaml {
  const items: Yaml[] = []
  for (;;) {
    const line = reader.lines[reader.at]
    if (!line || line.indent !== indent || !line.text.startsWith('- ')) return items
    reader.at++
    items.push(scalar(line.text.slice(2).trim(), line.number))
  }
}

const ENTRY = /^([A-Za-z_][\w.-]*):(?: +(.*))?$/

function mapping(reader: Reader, indent: number): Yaml {
  const entries: Record<string, Yaml> = {}
  for (;;) {
    const line = reader.lines[reader.at]
    if (!line || line.indent !== indent) return entries
    const [, key, rest] = ENTRY.exec(line.text) ?? []
    if (key === undefined) throw new SyntaxError(`line ${line.number}: not a key`)
    if (key in entries) throw new SyntaxError(`line ${line.number}: ${key} is there twice`)
    reader.at++
    entries[key] = rest === undefined ? block(reader, indent + 1) : scalar(rest, line.number)
  }
}

function scalar(text: string, number: number): Yaml {
  if (text.startsWith('[') || text.startsWith('"')) {
    const value: unknown = parseJson(text, number)
    if (typeof value === 'string') return value
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value
  }
  // Anchors, tags, flow mappings, block scalars, comments behind a value, other quotes: not ours.
  if (/^[&*!{[|>'"%@`]|: | #|^- /.test(text) || /:$/.test(text)) {
    throw new SyntaxError(`line ${number}: more YAML than these files may use`)
  }
  return text
}

function parseJson(text: string, number: number): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new SyntaxError(`line ${number}: not a string or list of strings`)
  }
}
