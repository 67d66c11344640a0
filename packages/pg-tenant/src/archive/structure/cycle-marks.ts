import { scan } from '../../sql/scan.ts'

/**
 * PostgreSQL writes the marks of a cycle (manual 7.8.2.2) as `SET c TO 'Y'::text DEFAULT 'N'::text`, and takes them only with the type
 * before the value: the view as it stands could be made from no dump of it.
 */
export function withReadableMarks(sql: string): string {
  if (!/\bcycle\b/i.test(sql)) return sql
  const tokens = scan(sql)
  const isWord = (at: number, text: string) => tokens[at]?.kind === 'word' && tokens[at].text === text
  let [out, from] = ['', 0]
  /** @returns the place of the word behind the value, where it has its type behind it */
  const turn = (at: number, until: string): number | undefined => {
    const [value, colon, second] = tokens.slice(at, at + 3)
    const end = tokens.findIndex((_, index) => index > at && isWord(index, until))
    const behind = tokens[end]
    if (value?.kind !== 'string' || colon?.text !== ':' || second?.text !== ':' || !behind) return undefined
    const type = sql.slice(second.end, behind.start).trim()
    out += `${sql.slice(from, value.start)}${type} ${sql.slice(value.start, value.end)} `
    from = behind.start
    return end
  }
  for (const at of tokens.keys()) {
    if (!isWord(at, 'to') || !isWord(at - 2, 'set')) continue
    const end = turn(at + 1, 'default')
    if (end !== undefined) turn(end + 1, 'using')
  }
  return out + sql.slice(from)
}
