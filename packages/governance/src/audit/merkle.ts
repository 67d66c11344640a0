import { createHash } from 'node:crypto'

/** @internal Bytes of a hash (SHA-256). */
export const HASH_BYTES = 32

/** @internal The hash of a leaf (RFC 9162, 2.1.1: leaves and nodes are told apart). */
export function leafHash(text: string): Buffer {
  return createHash('sha256').update(Uint8Array.of(0)).update(text, 'utf8').digest()
}

/** @internal The root over leaves that stand one behind the other; the last of an odd level goes up as it is. */
export function merkleRoot(leaves: readonly Buffer[]): Buffer {
  let level = leaves
  while (level.length > 1) {
    const above: Buffer[] = []
    for (let at = 0; at < level.length; at += 2) {
      const [left, right] = [level[at] as Buffer, level[at + 1]]
      above.push(
        right ? createHash('sha256').update(Uint8Array.of(1)).update(left).update(right).digest() : left,
      )
    }
    level = above
  }
  return level[0] ?? Buffer.alloc(HASH_BYTES)
}

/** @internal */
export function leavesOf(bytes: Buffer): Buffer[] {
  return Array.from({ length: Math.floor(bytes.length / HASH_BYTES) }, (_, at) =>
    bytes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES),
  )
}
