import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { gunzipSync, gzipSync } from 'node:zlib'
import { Controller, Module, Post } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { ExpressAdapter } from '@nestjs/platform-express'
import { createFleet } from '@org/pg-tenant'
import express from 'express'
import { Hono } from 'hono'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createIdempotency } from '../../src/idempotency/express/index.ts'
import * as forHono from '../../src/idempotency/hono/index.ts'
import { encodeAnswer } from '../../src/idempotency/http/answer.ts'
import { readResponse, responseOf } from '../../src/idempotency/http/response.ts'
import { IDEMPOTENCY_MIGRATION } from '../../src/idempotency/index.ts'
import * as forNest from '../../src/idempotency/nest/index.ts'
import * as forWeb from '../../src/idempotency/web/index.ts'
import { acme, useLevel } from '../support/levels.ts'
import { type Served, serveExpress, serveFastify, serveHono, serveNest, serveWeb } from './servers.ts'

const world = useLevel('role', async () => {}, [IDEMPOTENCY_MIGRATION])
let counter = 0
const fresh = () => `key-${++counter}`

/** A tenancy, or what createFleet makes of it: handlers and library are given the same. */
const overAFleet =
  (serve: typeof serveExpress): typeof serveExpress =>
  (options) =>
    serve({ ...options, scopes: createFleet({ placements: { here: world.tenancy } }) })

describe.each([
  ['express', serveExpress],
  ['express over a fleet', overAFleet(serveExpress)],
  ['hono over a fleet', overAFleet(serveHono)],
  ['fastify', serveFastify],
  ['hono', serveHono],
  ['web', serveWeb],
  ['nest on express', serveNest('express')],
  ['nest on fastify', serveNest('fastify')],
])('%s', (_name, serve) => {
  let served: Served
  beforeAll(async () => {
    served = await serve({ scopes: world.tenancy, sealing: world.setting.sealing, wait: 5_000 })
  })
  afterAll(() => served?.close())
  const post = async (path: string, key: string | undefined, body = `b-${key}`, headers = {}) => {
    const answer = await fetch(`${served.url}${path}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        connection: 'close',
        ...(key !== undefined && { 'idempotency-key': key }),
        ...headers,
      },
      body: JSON.stringify({ body }),
    })
    return {
      status: answer.status,
      text: await answer.text(),
      replayed: answer.headers.get('idempotency-replayed'),
      headers: answer.headers,
    }
  }
  const count = async (body: string) =>
    (await world.tenancy.query(acme, 'select from notes where body = $1', [body])).rowCount

  it.each(['/json', '/stream', '/end'])(
    '%s: a repetition gets the same answer, and does nothing',
    async (path) => {
      const key = fresh()
      const [first, second] = [await post(path, key), await post(path, `"${key}"`, `b-${key}`)]
      expect([first.replayed, second.replayed]).toEqual([null, 'true'])
      expect([second.status, second.text]).toEqual([first.status, first.text])
      expect(first.status).toBeLessThan(300)
      expect(first.text).toMatch(/\d/)
      expect(await count(`b-${key}`)).toBe(1)
      for (const name of ['content-type', 'location'])
        expect(second.headers.get(name)).toBe(first.headers.get(name))
      expect(second.headers.get('set-cookie')).toBe(null)
    },
  )

  it('twenty at once take effect once', async () => {
    const key = fresh()
    const answers = await Promise.all(Array.from({ length: 20 }, () => post('/json', key)))
    expect(answers.filter(({ status, replayed }) => status === 201 && replayed === null)).toHaveLength(1)
    for (const { status } of answers) expect([201, 409, 503]).toContain(status)
    expect(await count(`b-${key}`)).toBe(1)
  })

  it('another body is refused; another user or route is another request', async () => {
    const key = fresh()
    await post('/json', key)
    const other = await post('/json', key, 'other')
    expect([other.status, JSON.parse(other.text).error.code]).toEqual([422, 'IDEMPOTENCY_KEY_REUSED'])
    expect((await post('/json', key, `${key} of v`, { 'x-user': 'v' })).replayed).toBe(null)
    expect((await post('/end', key, `${key} at end`)).replayed).toBe(null)
    expect(await count('other')).toBe(0)
  })

  it('what fails or is refused leaves nothing, and the key free', async () => {
    for (const [path, status] of [
      ['/fails', 500],
      ['/refuses', 409],
    ] as const) {
      const key = fresh()
      const answers = [await post(path, key), await post(path, key)]
      expect(answers.map((one) => [one.status, one.replayed])).toEqual([
        [status, null],
        [status, null],
      ])
      expect(await count(`b-${key}`)).toBe(0)
    }
    const { rowCount } = await world.tenancy.query(acme, `select from idempotency_key where answer is null`)
    expect(rowCount).toBe(0)
  })

  it('a secret is answered once and kept nowhere', async () => {
    const key = fresh()
    const [first, second] = [await post('/secret', key), await post('/secret', key)]
    expect([first.status, JSON.parse(first.text).secret]).toEqual([201, 'sk_live_1'])
    expect([second.status, JSON.parse(second.text)]).toEqual([
      201,
      { data: { id: JSON.parse(first.text).id } },
    ])
  })

  it('without a key it runs as it always did; with a bad one it is refused', async () => {
    const body = fresh()
    expect([(await post('/json', undefined, body)).status, await count(body)]).toEqual([201, 1])
    const bad = await post('/json', 'a b')
    expect([bad.status, JSON.parse(bad.text).error.details]).toEqual([400, { field: 'Idempotency-Key' }])
  })
})

it('bytes are the same bytes again, and say how they are written', async () => {
  const headers = { 'content-encoding': 'gzip', 'content-type': 'application/octet-stream' }
  const { answer } = await readResponse(new Response(gzipSync('text'), { headers }), 1_024)
  const again = responseOf(encodeAnswer(answer))
  expect(again.headers.get('content-encoding')).toBe('gzip')
  expect(gunzipSync(await again.bytes()).toString()).toBe('text')
})

describe('what is sent without a key is the handler’s to read', () => {
  const sent = async (url: string) => {
    const headers = { connection: 'close', 'content-type': 'application/octet-stream' }
    return await (await fetch(url, { method: 'POST', headers, body: Buffer.from('bytes') })).text()
  }
  /** Fails whoever reads it. */
  const unreadable = () => {
    const pull = () => Promise.reject(new Error('read'))
    const body = new ReadableStream({ pull }, { highWaterMark: 0 })
    return new Request('http://127.0.0.1/', { method: 'POST', body, duplex: 'half' })
  }
  const options = () => ({
    scopes: world.tenancy,
    sealing: world.setting.sealing,
    tenantOf: () => acme,
    actorOf: () => ({ type: 'user', id: 'u' }) as const,
  })

  it('express', async () => {
    const { idempotent } = createIdempotency(options())
    const server = express()
      .post('/', idempotent('upload'), (req, res) => void req.pipe(res))
      .listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    expect(await sent(`http://127.0.0.1:${port}`)).toBe('bytes')
  })

  it('hono', async () => {
    const { idempotent } = forHono.createIdempotency(options())
    const app = new Hono().post('/', idempotent('upload'), (c) => c.text('there'))
    expect(await (await app.fetch(unreadable())).text()).toBe('there')
  })

  it('web', async () => {
    const { idempotent } = forWeb.createIdempotency<object>(options())
    const answer = await idempotent('upload', async () => new Response('there'))(unreadable(), {})
    expect(await answer.text()).toBe('there')
  })

  it('nest', async () => {
    const { Idempotent } = forNest.createIdempotency(options())
    class Uploads {
      upload() {
        return 'there'
      }
    }
    const property = Object.getOwnPropertyDescriptor(Uploads.prototype, 'upload') as PropertyDescriptor
    Post()(Uploads.prototype, 'upload', property)
    Idempotent('upload')(Uploads.prototype, 'upload', property)
    Controller()(Uploads)
    class App {}
    Module({ controllers: [Uploads] })(App)
    const app = await NestFactory.create(App, new ExpressAdapter(), { logger: false })
    onTestFinished(() => app.close())
    await app.listen(0, '127.0.0.1')
    expect(await sent(await app.getUrl())).toBe('there')
  })
})

it.each([201, 204, 205, 304])('what was kept of an answer of %i is an answer again', async (status) => {
  const body = status === 201 ? '{}' : null
  const { answer } = await readResponse(new Response(body, { status }), 1_024)
  const again = responseOf(encodeAnswer(answer))
  expect([again.status, await again.text()]).toEqual([status, body ?? ''])
})

it.each(['in front of the route', 'in its handler'])(
  'a client that has gone %s leaves its key free',
  async (where) => {
    const { idempotent } = createIdempotency({
      scopes: world.tenancy,
      sealing: world.setting.sealing,
      tenantOf: () => acme,
      actorOf: () => ({ type: 'user', id: 'u' }),
      wait: 500,
    })
    const app = express().use(express.json())
    const closed = (res: express.Response) => new Promise<void>((resolve) => res.once('close', resolve))
    const arrived = Promise.withResolvers<void>()
    const hangs = (req: express.Request) => req.get('x-hangs') !== undefined
    app.use(async (req, res, next) => {
      if (hangs(req)) arrived.resolve()
      if (hangs(req) && where === 'in front of the route') await closed(res)
      next()
    })
    app.post('/', idempotent('notes.gone'), async (req, res) => {
      await world.tenancy.query(acme, 'insert into notes (body) values ($1)', [req.body.body])
      // Such as a stream piped to an answer that is no more: nothing ends it.
      if (!hangs(req)) res.status(201).json({})
    })
    const server = app.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const key = fresh()
    const send = (signal?: AbortSignal) =>
      fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'idempotency-key': key,
          connection: 'close',
          ...(signal && { 'x-hangs': '1' }),
        },
        body: JSON.stringify({ body: `gone-${where}` }),
        ...(signal && { signal }),
      })
    const client = new AbortController()
    const first = send(client.signal)
    await arrived.promise
    client.abort()
    await expect(first).rejects.toThrow()
    await expect.poll(async () => (await send()).status).toBe(201)
    const { rowCount } = await world.tenancy.query(acme, 'select from notes where body = $1', [
      `gone-${where}`,
    ])
    expect(rowCount).toBe(1)
  },
)
