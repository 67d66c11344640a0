import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { startWireProxy, type WireMessage } from '../../src/wire/index.ts'
import { query, sslRequest, startup, typed } from './wire-bytes.ts'

/** A server that answers SSLRequest with `reply`, and what comes then with `answer`. */
async function startServer(
  reply: string,
  answer: Buffer,
): Promise<{ readonly port: number } & AsyncDisposable> {
  const server = createServer((socket) => {
    socket.once('data', () => {
      socket.write(reply)
      socket.on('data', () => socket.write(answer))
    })
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = async (): Promise<void> => {
    server.close()
    await once(server, 'close')
  }
  return { port: (server.address() as AddressInfo).port, [Symbol.asyncDispose]: close }
}

/** What the proxy saw of a client that asks for encryption, then sends `sent` and gets `answer`. */
async function conversation(reply: string, sent: Buffer, answer: Buffer): Promise<string[]> {
  await using server = await startServer(reply, answer)
  const seen: string[] = []
  const onMessage = ({ type, from }: WireMessage): void => {
    seen.push(`${from}:${type}`)
  }
  const proxy = await startWireProxy({ target: `127.0.0.1:${server.port}`, onMessage })
  const client = connect(proxy.port, '127.0.0.1')
  client.on('error', () => {})
  client.write(sslRequest())
  expect((await once(client, 'data')).toString()).toBe(reply)
  client.write(sent)
  expect((await once(client, 'data')).toString()).toBe(answer.toString())
  await proxy.close()
  return seen
}

describe('encryption requests', () => {
  it('passes everything unread once the server has agreed to TLS', async () => {
    const hello = Buffer.concat([Buffer.from([0x16, 3, 1]), query('drop table t')])
    const seen = await conversation('S', hello, typed('Z', 'I'))
    expect(seen).toEqual(['frontend:SSLRequest', 'backend:EncryptionResponse'])
  })

  it('reads on when the server has refused', async () => {
    const seen = await conversation('N', startup(), typed('Z', 'I'))
    expect(seen).toEqual([
      'frontend:SSLRequest',
      'backend:EncryptionResponse',
      'frontend:Startup',
      'backend:ReadyForQuery',
    ])
  })
})
