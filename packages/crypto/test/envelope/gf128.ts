/** The field of GCM (NIST SP 800-38D, 6.3), enough of it to forge a ciphertext that opens under two keys. */
import { createCipheriv } from 'node:crypto'

/** x^128 + x^7 + x^2 + x + 1, with the bits in GCM's order. */
const R = 0xe1n << 120n

const toBlock = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
export const fromBlock = (block: bigint): Buffer => Buffer.from(block.toString(16).padStart(32, '0'), 'hex')

export function multiply(x: bigint, y: bigint): bigint {
  let [z, v] = [0n, y]
  for (let bit = 127n; bit >= 0n; bit--) {
    if ((x >> bit) & 1n) z ^= v
    v = v & 1n ? (v >> 1n) ^ R : v >> 1n
  }
  return z
}

/** x^(2^128 - 2) */
export function inverse(x: bigint): bigint {
  let result = 1n << 127n
  let square = x
  for (let step = 1; step < 128; step++) {
    square = multiply(square, square)
    result = multiply(result, square)
  }
  return result
}

/** One block through AES-256. */
export function aesBlock(key: Uint8Array, block: Uint8Array): bigint {
  const cipher = createCipheriv('aes-256-ecb', key, null)
  cipher.setAutoPadding(false)
  return toBlock(cipher.update(block))
}

/** GHASH over the additional data and the ciphertext, each padded to whole blocks, and their lengths. */
export function ghash(h: bigint, aad: Uint8Array, ciphertext: Uint8Array): bigint {
  const lengths = Buffer.alloc(16)
  lengths.writeBigUInt64BE(BigInt(aad.length * 8), 0)
  lengths.writeBigUInt64BE(BigInt(ciphertext.length * 8), 8)
  let y = 0n
  for (const part of [aad, ciphertext, lengths]) {
    for (let at = 0; at < part.length; at += 16) {
      const block = Buffer.alloc(16)
      block.set(part.subarray(at, at + 16))
      y = multiply(y ^ toBlock(block), h)
    }
  }
  return y
}
