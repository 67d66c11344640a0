/** Messages as bytes, written down independently of the parser. */

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

export const typed = (type: string, body: Buffer | string): Buffer => {
  const bytes = Buffer.from(body)
  return Buffer.concat([Buffer.from(type), int32(bytes.length + 4), bytes])
}

const untyped = (code: number, body: Buffer | string = ''): Buffer => {
  const bytes = Buffer.from(body)
  return Buffer.concat([int32(bytes.length + 8), int32(code), bytes])
}

export const startup = (): Buffer => untyped(196608, 'user\0me\0\0')
export const sslRequest = (): Buffer => untyped(80877103)
export const cancelRequest = (pid = 0, key = 0): Buffer =>
  untyped(80877102, Buffer.concat([int32(pid), int32(key)]))
export const query = (sql: string): Buffer => typed('Q', `${sql}\0`)
