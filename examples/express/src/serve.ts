import { once } from 'node:events'
import { createServer, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface RunningServer {
  readonly port: number
  /** Stops accepting, lets the requests in flight finish, and resolves when the last has its answer. */
  close(): Promise<void>
}

/**
 * @param options.port 0 takes a free one
 * @param options.patience how long requests in flight may take after `close()`, in milliseconds (default 30,000)
 */
export async function serve(
  app: RequestListener,
  {
    host,
    port,
    patience = 30_000,
  }: { readonly host: string; readonly port: number; readonly patience?: number },
): Promise<RunningServer> {
  const server = createServer(app)
  // Longer than a load balancer keeps an idle connection (mostly 60 s): it is to close first, or it sends into a closed one.
  server.keepAliveTimeout = 65_000
  const inFlight = new Set<ServerResponse>()
  let closing = false
  server.prependListener('request', (_request, response) => {
    inFlight.add(response)
    if (closing) response.shouldKeepAlive = false
    response.once('close', () => {
      inFlight.delete(response)
      if (closing && inFlight.size === 0) server.closeAllConnections()
    })
  })
  server.listen(port, host)
  await once(server, 'listening')

  async function close(): Promise<void> {
    closing = true
    const closed = new Promise((resolve) => server.close(resolve))
    // Each connection's answer is its last; those that wait for none would keep the server open for nothing.
    for (const response of inFlight) response.shouldKeepAlive = false
    if (inFlight.size === 0) server.closeAllConnections()
    const lastResort = setTimeout(() => server.closeAllConnections(), patience)
    await closed
    clearTimeout(lastResort)
  }

  return { port: (server.address() as AddressInfo).port, close }
}
