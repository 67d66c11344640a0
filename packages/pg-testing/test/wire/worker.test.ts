import { describe, expect, it } from 'vitest'
import { startWireProxyInWorker } from '../../src/wire/index.ts'
import { eventually } from '../../src/world/settle.ts'
import { connected, databaseUrl } from './database.ts'

describe('startWireProxyInWorker', () => {
  it('delays, counts and cuts from another thread', async () => {
    const proxy = await startWireProxyInWorker({ target: databaseUrl(), roundTripMs: 0.5 })
    await using client = await connected(proxy.url)
    await client.query('begin')
    await client.query('commit')
    expect(await proxy.roundTrips()).toBe(2)
    expect((await proxy.counts()).get('frontend:Query')).toBe(2)
    expect(await proxy.connections()).toBe(1)
    await proxy.reset()
    await proxy.setRoundTripMs(0)
    await client.query('select 1')
    expect(await proxy.roundTrips()).toBe(1)
    const pending = client.query('select pg_sleep(60)')
    pending.catch(() => {})
    await eventually(async () => (await proxy.counts()).get('frontend:Query') === 2)
    await proxy.cutAll()
    await expect(pending).rejects.toThrow(/ECONNRESET|terminated/)
    await proxy.close()
    await proxy.close()
  })

  it('rejects what the proxy refuses, and calls after close', async () => {
    await expect(startWireProxyInWorker({ target: 'no port:x' })).rejects.toThrow(TypeError)
    const proxy = await startWireProxyInWorker({ target: databaseUrl() })
    await expect(proxy.setRoundTripMs(-1)).rejects.toThrow(RangeError)
    await proxy.close()
    await expect(proxy.roundTrips()).rejects.toThrow('closed')
  })
})
