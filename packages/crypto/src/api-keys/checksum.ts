import { toBase62 } from './base62.ts'

/** 62^6 > 2^32. */
export const CHECKSUM_LENGTH = 6

/**
 * CRC-32 (ISO-HDLC, as in zlib and PNG) in base62. It finds every error within 32 bits in a row, so every mistyped
 * character and every two neighbours exchanged. It is no secret and proves nothing: it saves a look-up.
 */
export function checksum(text: string): string {
  return toBase62(crc32(text), CHECKSUM_LENGTH)
}

/** Of ASCII text. (`zlib.crc32` is not in the first releases of Node 22.) */
export function crc32(text: string): number {
  let crc = 0xffffffff
  for (let index = 0; index < text.length; index++) {
    crc = (crc >>> 8) ^ (TABLE[(crc ^ text.charCodeAt(index)) & 0xff] ?? 0)
  }
  return (crc ^ 0xffffffff) >>> 0
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  return value
})
