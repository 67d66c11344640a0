import { once } from 'node:events'
import type { Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import type { createApp } from './app.ts'

/**
 * Serves the app. `close` stops accepting, lets the requests in flight finish for up to `patience` milliseconds (default
 * 30,000), and resolves when the last has its answer. Port 0 (default) takes a free one.
 */
export async function serveApp(
  app: Pick<ReturnType<typeof createApp>, 'fetch'>,
  { port = 0, host = '127.0.0.1', patience = 30_000 } = {},
) {
  const server = createAdaptorServer({ fetch: app.fetch }) as Server
  const inFlight = new Set<ServerResponse>()
  let closing = false
  const closeWhenIdle = () => closing && inFlight.size === 0 && server.closeAllConnections()
  server.prependListener('request', (_request, response) => {
    inFlight.add(response)
    if (closing) response.shouldKeepAlive = false
    response.once('close', () => inFlight.delete(response) && closeWhenIdle())
  })
  server.listen(port, host)
  await once(server, 'listening')

  const close = async (): Promise<void> => {
    closing = true
    const closed = new Promise((resolve) => server.close(resolve))
    // Each connection's answer is its last; those that wait for no answer would keep the server open for nothing.
    for (const response of inFlight) response.shouldKeepAlive = false
    closeWhenIdle()
    const lastResort = setTimeout(() => server.closeAllConnections(), patience)
    await closed
    clearTimeout(lastResort)
  }
  return { port: (server.address() as AddressInfo).port, close }
}
