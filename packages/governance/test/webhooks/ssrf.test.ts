import { once } from 'node:events'
import type { AddressInfo, LookupFunction } from 'node:net'
import { createServer, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { addressCheck } from '../../src/webhooks/address.ts'
import { send } from '../../src/webhooks/send.ts'
import { parseTarget } from '../../src/webhooks/target.ts'
import { startReceiver } from './receiver.ts'

const BODY = Buffer.from('{}')
const TIMEOUT = 5_000

/** Addresses that are not the internet's, written in every way there is; each is refused before anything connects. */
const HOSTS = [
  '127.0.0.1',
  '127.1',
  '2130706433',
  '0x7f000001',
  '0x7f.1',
  '0177.0.0.1',
  '017700000001',
  '127.255.255.254',
  '0.0.0.0',
  '0',
  '10.0.0.1',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.0.1',
  '100.64.0.1',
  '168.63.129.16',
  '169.254.169.254',
  '0xa9fea9fe',
  '198.18.0.1',
  '192.0.2.1',
  '198.51.100.1',
  '203.0.113.1',
  '192.0.0.8',
  '192.88.99.1',
  '224.0.0.1',
  '240.0.0.1',
  '255.255.255.255',
  '[::1]',
  '[::]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[0:0:0:0:0:ffff:a9fe:a9fe]',
  '[::127.0.0.1]',
  '[fe80::1]',
  '[fc00::1]',
  '[fd00:ec2::254]',
  '[ff02::1]',
  '[2002:7f00:1::]',
  '[2002:a9fe:a9fe::]',
  '[64:ff9b::7f00:1]',
  '[64:ff9b::a9fe:a9fe]',
  '[64:ff9b:1::7f00:1]',
  '[2001::1]',
  '[2001:db8::1]',
  '[100::1]',
  '[fec0::1]',
  '[3fff::1]',
  '[4000::1]',
]

const toAddress =
  (address: string, asked: string[] = []): LookupFunction =>
  (hostname, options, callback) => {
    asked.push(hostname)
    const family = address.includes(':') ? 6 : 4
    if (options.all) callback(null, [{ address, family }])
    else callback(null, address, family)
  }

describe('addresses that are not public', () => {
  it.each(HOSTS)('%s is refused, also when a name resolves to it', async (host) => {
    const url = parseTarget(`https://${host}/`, {})
    const direct = await send(url, {}, BODY, { timeout: TIMEOUT, allowed: addressCheck() })
    expect(direct).toMatchObject({ status: undefined, error: 'ADDRESS_REFUSED' })
    const address = url.hostname.replace(/^\[|\]$/g, '')
    const named = await send(new URL('https://rebound.example/'), {}, BODY, {
      timeout: TIMEOUT,
      allowed: addressCheck(),
      lookup: toAddress(address),
    })
    expect(named).toMatchObject({ status: undefined, error: 'ADDRESS_REFUSED' })
  })

  it('what is public is not', () => {
    const allowed = addressCheck()
    for (const address of [
      '1.1.1.1',
      '93.184.215.14',
      '172.32.0.1',
      '2606:4700:4700::1111',
      '2a00:1450:4001:81b::200e',
    ]) {
      expect([address, allowed(address)]).toEqual([address, true])
    }
  })

  it('and what is listed, as it is written', () => {
    const allowed = addressCheck(['10.20.0.0/16', 'fd00:1::/32'])
    const asked = [
      '10.20.1.1',
      '10.21.1.1',
      'fd00:1::5',
      'fd00:2::5',
      '::ffff:10.20.1.1',
      'fe80::1%lo',
      'x',
      '',
    ]
    expect(asked.map(allowed)).toEqual([true, false, true, false, false, false, false, false])
    expect(() => addressCheck(['nonsense'])).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
    expect(() => addressCheck(['10.0.0.0/99'])).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
  })

  it('the control: whoever asks for a decimal address is answered from the loopback', async () => {
    const receiver = await startReceiver()
    await fetch(`http://2130706433:${receiver.port}/inside`, { method: 'POST' })
    expect(receiver.received).toHaveLength(1)
  })

  it('a name that resolves to several is refused when one of them is not public', async () => {
    const both: LookupFunction = (_, options, callback) => {
      const found = ['93.184.215.14', '127.0.0.1'].map((address) => ({ address, family: 4 }))
      if (options.all) callback(null, found)
      else callback(null, '127.0.0.1', 4)
    }
    const answer = await send(new URL('https://both.example/'), {}, BODY, {
      timeout: TIMEOUT,
      allowed: addressCheck(),
      lookup: both,
    })
    expect(answer.error).toBe('ADDRESS_REFUSED')
  })
})

describe('between two attempts', () => {
  it('a name that moves inside is refused, and no connection is kept that would go there unchecked', async () => {
    const receiver = await startReceiver()
    const allowed = addressCheck(['127.0.0.1'])
    const url = new URL(`http://rebinding.example:${receiver.port}/`)
    const asked: string[] = []
    const first = await send(url, {}, BODY, {
      timeout: TIMEOUT,
      allowed,
      lookup: toAddress('127.0.0.1', asked),
    })
    expect(first.status).toBe(204)
    const second = await send(url, {}, BODY, {
      timeout: TIMEOUT,
      allowed,
      lookup: toAddress('127.0.0.2', asked),
    })
    expect(second.error).toBe('ADDRESS_REFUSED')
    expect(asked).toHaveLength(2)
    expect(receiver.received).toHaveLength(1)
    expect(receiver.received[0]?.headers.connection).toBe('close')
  })

  it('a redirect is an answer like any other, and is not followed', async () => {
    const [outside, inside] = [await startReceiver(), await startReceiver()]
    outside.answers.push((_, res) => res.writeHead(307, { location: inside.url }).end())
    const allowed = addressCheck(['127.0.0.1'])
    const answer = await send(new URL(outside.url), {}, BODY, { timeout: TIMEOUT, allowed })
    expect(answer.status).toBe(307)
    expect(inside.received).toEqual([])
  })
})

describe('endpoints that take their time', () => {
  /** A server that speaks TCP and whatever it likes. */
  async function raw(serve: (socket: Socket) => void): Promise<URL> {
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
      serve(socket)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  }
  const allowed = addressCheck(['127.0.0.1'])
  const short = { timeout: 200, allowed }
  /** Says `what` again and again, faster than any time-out of silence. */
  const drip = (what: string) => (socket: Socket) => {
    const timer = setInterval(() => socket.write(what), 10)
    socket.on('close', () => clearInterval(timer))
  }

  it('nothing at all, in HTTP and in TLS', async () => {
    const url = await raw(() => {})
    expect(await send(url, {}, BODY, short)).toMatchObject({ status: undefined, error: 'TIMEOUT' })
    const secure = new URL(url.href.replace('http:', 'https:'))
    expect(await send(secure, {}, BODY, short)).toMatchObject({ status: undefined, error: 'TIMEOUT' })
  })

  it('headers that drip', async () => {
    const url = await raw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n')
      drip('x: y\r\n')(socket)
    })
    const answer = await send(url, {}, BODY, short)
    expect(answer.status).toBeUndefined()
    expect(['TIMEOUT', 'HPE_HEADER_OVERFLOW']).toContain(answer.error)
  })

  it('a body that drips past every deadline', async () => {
    const url = await raw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 4000\r\n\r\n')
      drip('x')(socket)
    })
    expect(await send(url, {}, BODY, short)).toMatchObject({ error: 'TIMEOUT' })
  })

  it('a name that is never found', async () => {
    const url = new URL('https://never.example/')
    const answer = await send(url, {}, BODY, { ...short, lookup: () => {} })
    expect(answer).toMatchObject({ status: undefined, error: 'TIMEOUT' })
  })

  it('an answer without end is not read: a few kilobytes, then the connection is gone', async () => {
    let sent = 0
    const url = await raw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')
      const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`
      const more = () => {
        while (!socket.destroyed && socket.write(chunk)) sent += chunk.length
      }
      socket.on('drain', more)
      more()
    })
    const answer = await send(url, {}, BODY, { timeout: TIMEOUT, allowed })
    expect(answer).toMatchObject({ status: 200, error: undefined })
    expect(sent).toBeLessThan(20_000_000)
  })

  it('headers without end', async () => {
    const url = await raw((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(100_000)}`)
    })
    const answer = await send(url, {}, BODY, { timeout: TIMEOUT, allowed })
    expect(answer).toMatchObject({ status: undefined, error: 'HPE_HEADER_OVERFLOW' })
  })

  it('garbage, and a connection that is cut', async () => {
    const garbage = await raw((socket) => void socket.end('SSH-2.0-OpenSSH_9.2\r\n'))
    expect((await send(garbage, {}, BODY, { timeout: TIMEOUT, allowed })).error).toMatch(/^HPE_/)
    const cut = await raw((socket) => socket.destroy())
    expect((await send(cut, {}, BODY, { timeout: TIMEOUT, allowed })).error).toBe('ECONNRESET')
  })

  it('is given up when nobody waits any more', async () => {
    const url = await raw(() => {})
    const controller = new AbortController()
    const sent = send(url, {}, BODY, { timeout: TIMEOUT, allowed, signal: controller.signal })
    controller.abort()
    expect(await sent).toMatchObject({ error: 'ABORTED' })
  })
})
