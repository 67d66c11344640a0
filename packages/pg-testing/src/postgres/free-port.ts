import { type AddressInfo, createServer } from 'node:net'

/** A port that was free a moment ago on 127.0.0.1; whoever uses it must retry if it is taken meanwhile. */
export async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve, reject) => {
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', resolve)
  })
  const { port } = probe.address() as AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  return port
}
