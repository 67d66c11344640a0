import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { dockerAnswers } from '../../src/postgres/docker-engine.ts'

const servers: Server[] = []

async function listen(handler: RequestListener): Promise<string> {
  const server = createServer(handler)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`
}

afterEach(() => {
  vi.unstubAllEnvs()
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

describe('dockerAnswers', () => {
  it('is true for an engine that answers the ping', async () => {
    vi.stubEnv(
      'DOCKER_HOST',
      await listen((request, response) => response.writeHead(request.url === '/_ping' ? 200 : 500).end('OK')),
    )
    expect(await dockerAnswers()).toBe(true)
  })

  it('is false, soon, for one that hangs, refuses, fails or is none', async () => {
    const hanging = await listen(() => undefined)
    const failing = await listen((_request, response) => response.writeHead(500).end())
    for (const host of [hanging, failing, 'tcp://127.0.0.1:1', 'unix:///nowhere.sock', 'nonsense']) {
      vi.stubEnv('DOCKER_HOST', host)
      expect(await dockerAnswers()).toBe(false)
    }
  })
})
