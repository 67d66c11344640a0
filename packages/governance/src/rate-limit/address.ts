import { isIPv4, isIPv6 } from 'node:net'

/** @internal What all share whose address cannot be told. */
export const NOWHERE = 'nowhere'

/**
 * Whose address it is: an IPv4 address, or the first 64 bits of an IPv6 one (a subscriber has at least so many addresses,
 * RFC 6177). IPv4 in IPv6 is IPv4.
 *
 * @internal
 */
export function addressKey(address: unknown): string {
  if (typeof address !== 'string' || address.length > 100) return NOWHERE
  if (isIPv4(address)) return address
  const [bare = ''] = address.split('%')
  if (!isIPv6(bare)) return NOWHERE
  const groups = groupsOf(bare)
  const [high = 0, low = 0] = groups.slice(6)
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
  }
  return `${groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(':')}::/64`
}

/** The eight groups of an address that is valid. */
function groupsOf(address: string): number[] {
  const [head = '', tail] = address.split('::')
  const before = partsOf(head)
  if (tail === undefined) return before
  const after = partsOf(tail)
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after]
}

function partsOf(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((part) => {
    if (!part.includes('.')) return [Number.parseInt(part, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number)
    return [(a << 8) | b, (c << 8) | d]
  })
}
