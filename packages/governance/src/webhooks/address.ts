import { BlockList, isIP } from 'node:net'
import { invalidOption } from '../input/input.ts'

/**
 * IPv4 that is not the internet: the special-purpose registry of IANA (RFC 6890), multicast and class E; and one address
 * that looks public and is the host of Azure.
 */
const NOT_PUBLIC_4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '168.63.129.16/32',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '192.175.48.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
]
/** The only IPv6 that is global unicast; without it mapped, compatible, NAT64, link-local and unique local addresses. */
const GLOBAL_6 = '2000::/3'
/** And what of it is not: protocol assignments (Teredo among them), documentation, 6to4. */
const NOT_PUBLIC_6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']

const notPublic4 = blockList(NOT_PUBLIC_4)
const global6 = blockList([GLOBAL_6])
const notPublic6 = blockList(NOT_PUBLIC_6)

/** Says of an address whether it may be connected to. */
export type AddressCheck = (address: string) => boolean

/**
 * Public addresses, and those that are listed. (`request-filtering-agent` would do most of this; it lets `::/96` through, writes
 * to the console when a list holds blocks of the other family, and is another dependency.)
 *
 * @throws TenancyError INVALID_OPTION
 */
export function addressCheck(allowed: readonly string[] = []): AddressCheck {
  const listed = parseList(allowed)
  return (address) => {
    const family = isIP(address)
    if (family === 0 || address.includes('%')) return false
    const kind = family === 4 ? 'ipv4' : 'ipv6'
    // `BlockList` takes a mapped address for what is mapped; it is connected to as such, and nobody means to write it.
    if (listed.check(address, kind)) return family === 4 || !/^::ffff:/i.test(address)
    if (family === 4) return !notPublic4.check(address, kind)
    return global6.check(address, kind) && !notPublic6.check(address, kind)
  }
}

function parseList(blocks: readonly string[]): BlockList {
  try {
    return blockList(blocks)
  } catch {
    throw invalidOption('allow.addresses', 'a list of addresses and CIDR blocks')
  }
}

function blockList(blocks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const block of blocks) {
    const [address = '', bits] = block.split('/')
    const family = isIP(address)
    if (family === 0) throw new RangeError('not an address')
    const kind = family === 4 ? 'ipv4' : 'ipv6'
    list.addSubnet(address, bits === undefined ? (family === 4 ? 32 : 128) : Number(bits), kind)
  }
  return list
}
