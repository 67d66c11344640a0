/**
 * A file name for each table: what is not `a-z`, `A-Z`, `0-9`, `_` or `-` is written as `%` and the code point in hex, and
 * names that differ only in case (one file on many systems) get a number. `manifest.json` says which table is where.
 */
export function fileNames(tables: readonly string[], extension: string): Map<string, string> {
  const taken = new Set<string>()
  const names = new Map<string, string>()
  for (const table of tables) {
    const safe = [...table]
      .map((c) => (/[A-Za-z0-9_-]/.test(c) ? c : `%${c.codePointAt(0)?.toString(16)}`))
      .join('')
    // 63 bytes of an identifier are at most 255 here; most file systems end a name there.
    const short = safe.slice(0, 200)
    let name = short
    for (let number = 2; taken.has(name.toLowerCase()); number++) name = `${short}~${number}`
    taken.add(name.toLowerCase())
    names.set(table, `${name}.${extension}`)
  }
  return names
}
