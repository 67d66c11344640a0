import Connection from 'pg/lib/connection.js'
import type { WireClient } from './types.ts'

/** Milliseconds a cancel request may take to be accepted before the connection itself is given up. */
const CANCEL_PATIENCE_MS = 5_000

/**
 * Sends a CancelRequest (manual 54.2.8) for whatever `client` is running, over a connection of its own and with the
 * same TLS settings.
 *
 * @returns whether the server took the request: it closes the connection once the signal has been sent, so that
 *   after `true` no late cancel can be under way
 */
export function cancelBackend(client: WireClient): Promise<boolean> {
  const { processID, secretKey, host, port, ssl } = client
  if (processID === null || secretKey === null) return Promise.resolve(false)
  return new Promise((resolve) => {
    const connection = new Connection({
      ssl,
      ...(client.sslNegotiation !== undefined && { sslNegotiation: client.sslNegotiation }),
    })
    let sent = false
    const finish = (accepted: boolean) => {
      clearTimeout(timer)
      resolve(accepted)
    }
    const timer = setTimeout(() => {
      connection.stream.destroy()
      finish(false)
    }, CANCEL_PATIENCE_MS)
    const request = () => {
      connection.cancel(processID, secretKey)
      sent = true
    }
    connection.on('error', () => finish(false))
    connection.on('end', () => finish(sent))
    connection.on('connect', () =>
      ssl && client.sslNegotiation !== 'direct' ? connection.requestSsl() : ssl || request(),
    )
    connection.on('sslconnect', request)
    if (host.startsWith('/')) connection.connect(`${host}/.s.PGSQL.${port}`)
    else connection.connect(port, host)
  })
}
