import { startWireProxy, type WireProxy, type WireProxyOptions } from '../../src/wire/index.ts'
import { databaseUrl } from './database.ts'

/** A proxy in front of the test database, closed at the end of the scope. */
export async function proxied(
  options: Omit<WireProxyOptions, 'target'> = {},
): Promise<{ readonly proxy: WireProxy } & AsyncDisposable> {
  const proxy = await startWireProxy({ target: databaseUrl(), ...options })
  return { proxy, [Symbol.asyncDispose]: () => proxy.close() }
}
