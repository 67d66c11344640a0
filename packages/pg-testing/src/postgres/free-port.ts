import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'

/** Ports from here on belong to nobody by custom, and need no privilege. */
const LOWEST = 10_240
/** RFC 6335, section 6: where the ephemeral ports begin that a system gives to outgoing connections. */
const EPHEMERAL_FROM = 49_152

/**
 * A port that was free a moment ago on 127.0.0.1; whoever uses it must retry if it is taken meanwhile.
 * None of those that the system gives to outgoing connections: a server that is killed and started again must find
 * its port free, and thousands of test connections take such ports in the meantime.
 */
export async function freePort(): Promise<number> {
  const below = ephemeralFrom()
  for (let attempt = 0; attempt < 20 && below > LOWEST; attempt++) {
    const candidate = LOWEST + Math.floor(Math.random() * (below - LOWEST))
    if (await listensOn(candidate).catch(() => undefined)) return candidate
  }
  return await listensOn(0)
}

/** Linux says where they begin; the others keep to the RFC. */
function ephemeralFrom(): number {
  try {
    return Number.parseInt(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'), 10)
  } catch {
    return EPHEMERAL_FROM
  }
}

/** Listens and stops again; 0 for any port. */
async function listensOn(port: number): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve, reject) => {
    probe.once('error', reject)
    probe.listen(port, '127.0.0.1', resolve)
  })
  const { port: got } = probe.address() as AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  return got
}
