import type { Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import type { createApp } from './app.ts'

export interface RunningServer {
  readonly port: number
  /** Stops accepting, lets the requests in flight finish, and resolves when the last has its answer. */
  close(): Promise<void>
}

/**
 * Serves the app on the loopback interface.
 *
 * @param options.port 0 (default) takes a free one
 * @param options.patience how long requests in flight may take after `close()`, in milliseconds (default 30,000)
 */
export async function serveApp(
  app: Pick<ReturnType<typeof createApp>, 'fetch'>,
  { port = 0, patience = 30_000 } = {},
): Promise<RunningServer> {
  const server = createAdaptorServer({ fetch: app.fetch }) as Server
  const inFlight = new Set<ServerResponse>()
  let closing = false
  server.on('request', (_request, response) => {
    inFlight.add(response)
    if (closing) response.shouldKeepAlive = false
    response.once('close', () => {
      inFlight.delete(response)
      if (closing && inFlight.size === 0) server.closeAllConnections()
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })

  async function close(): Promise<void> {
    closing = true
    const closed = new Promise((resolve) => server.close(resolve))
    // Each connection's answer is its last; those that wait for no answer would keep the server open for nothing.
    for (const response of inFlight) response.shouldKeepAlive = false
    if (inFlight.size === 0) server.closeAllConnections()
    const lastResort = setTimeout(() => server.closeAllConnections(), patience)
    await closed
    clearTimeout(lastResort)
  }

  return { port: (server.address() as AddressInfo).port, close }
}
