import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

export interface Received {
  readonly path: string
  readonly headers: Record<string, string>
  readonly body: string
}

export interface Receiver {
  readonly url: string
  readonly port: number
  readonly server: Server
  readonly received: Received[]
  /** What is answered next; then 204. */
  readonly answers: (number | RequestListener)[]
}

/** An endpoint of somebody's, on the loopback. */
export async function startReceiver(host = '127.0.0.1'): Promise<Receiver> {
  const received: Received[] = []
  const answers: (number | RequestListener)[] = []
  const server = createServer(async (req, res) => {
    const body = await textOf(req)
    received.push({ path: String(req.url), headers: req.headers as Record<string, string>, body })
    const answer = answers.shift() ?? 204
    if (typeof answer === 'number') res.writeHead(answer).end('secret of the receiver')
    else answer(req, res)
  })
  server.listen(0, host)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://${host}:${port}/hook`, port, server, received, answers }
}

async function textOf(req: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of req) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
