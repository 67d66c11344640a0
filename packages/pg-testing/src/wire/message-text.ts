/** Text is read from at most this much of a message, so that a huge one still streams. */
export const TEXT_LIMIT_BYTES = 64 * 1024

const NUL = 0
const SQLSTATE_FIELD = 0x43 // 'C'
const MESSAGE_FIELD = 0x4d // 'M'

function cString(bytes: Buffer, start: number): string {
  const end = bytes.indexOf(NUL, start)
  return bytes.toString('utf8', start, end === -1 ? bytes.length : end)
}

/** The statement's name comes first, then its SQL. */
function parseSql(body: Buffer): string {
  const endOfName = body.indexOf(NUL)
  return endOfName === -1 ? '' : cString(body, endOfName + 1)
}

/** ErrorResponse and NoticeResponse: a list of (field byte, C string), closed by NUL. */
function field(body: Buffer, wanted: number): string {
  let at = 0
  while (at < body.length && body[at] !== NUL) {
    const end = body.indexOf(NUL, at + 1)
    if (body[at] === wanted) return cString(body, at + 1)
    if (end === -1) break
    at = end + 1
  }
  return ''
}

const sqlState = (body: Buffer): string => field(body, SQLSTATE_FIELD)

const firstString = (body: Buffer): string => cString(body, 0)

/** Readers by message name; frontend and backend share no name here. */
const READERS: ReadonlyMap<string, (body: Buffer) => string> = new Map([
  ['Query', firstString],
  ['Parse', parseSql],
  ['CommandComplete', firstString],
  ['ErrorResponse', sqlState],
  ['NoticeResponse', (body) => `${sqlState(body)} ${field(body, MESSAGE_FIELD)}`],
  ['ReadyForQuery', firstString],
])

export const textReader = (type: string): ((body: Buffer) => string) | undefined => READERS.get(type)
