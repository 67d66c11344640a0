import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import express from 'express'
import { Hono } from 'hono'
import { cors } from 'hono/cors'
import * as forExpress from '../../src/express/index.ts'
import * as forHono from '../../src/hono/index.ts'
import type { TenantAccess } from '../../src/tenancy/interface.ts'
import { routes } from './routes.ts'

export interface Served {
  readonly url: string
  close(): Promise<void>
}

async function serve(listener: RequestListener): Promise<Served> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

/** `POST /t/<route>`, and a few that only a framework of its own kind can have. */
export function serveExpress(tenancy: TenantAccess, options: forExpress.TenantOptions): Promise<Served> {
  const app = express()
  app.disable('x-powered-by')
  app.use((_req, res, next) => {
    res.setHeader('Access-Control-Allow-Origin', '*')
    next()
  })
  app.get('/open', () => {
    throw new Error('secret 1234')
  })
  const router = express.Router()
  router.use(forExpress.tenant(tenancy, options))
  router.post('/upload', async (req, res) => {
    const onChunk = async (listener: () => void) => {
      req.on('data', listener)
      await once(req, 'end')
    }
    const { status, body } = await routes.upload!({ tenancy: req.tenancy, body: '', onChunk })
    res.status(status).json(body)
  })
  router.use(express.json(), express.text())
  router.get('/half', (_req, res) => {
    res.write('half of it')
    throw new Error('secret 1234')
  })
  router.post('/pieces', async (req, res) => {
    await req.tenancy.query('insert into notes (body) values ($1)', [req.body])
    res.writeHead(201, 'Made', { 'X-Made': 'yes' })
    res.flushHeaders()
    await pipeline(Readable.from([Buffer.from('a'), 'b', 'ç']), res)
  })
  router.post('/endThenThrow', async (req, res) => {
    await req.tenancy.query('insert into notes (body) values ($1)', [req.body])
    res.json('done')
    throw new Error('secret 1234')
  })
  router.post('/huge', async (req, res) => {
    await req.tenancy.query('insert into notes (body) values ($1)', [req.body])
    res.end(Buffer.alloc(9 * 1024 * 1024))
  })
  for (const [name, route] of Object.entries(routes)) {
    router.all(`/${name}`, async (req, res) => {
      const { status, body } = await route({ tenancy: req.tenancy, body: String(req.body), onChunk: never })
      res.cookie('made', 'yes').location('/made').status(status).json(body)
    })
  }
  app.use('/t', router, forExpress.answerErrors())
  app.use(forExpress.answerErrors({ ...(options.onError && { onError: options.onError }) }))
  return serve(app)
}

export function serveHono(tenancy: TenantAccess, options: forHono.HonoTenantOptions): Promise<Served> {
  const app = new Hono<forHono.TenantEnv>()
  app.onError(forHono.answerErrors({ ...(options.onError && { onError: options.onError }) }))
  app.use(cors())
  app.get('/open', () => {
    throw new Error('secret 1234')
  })
  app.use('/t/*', forHono.tenant(tenancy, options))
  app.get('/t/half', (c) => {
    let turn = 0
    const stream = new ReadableStream({
      pull(controller) {
        if (turn++ === 0) controller.enqueue(new TextEncoder().encode('half of it'))
        else controller.error(new Error('secret 1234'))
      },
    })
    return c.body(stream)
  })
  for (const [name, route] of Object.entries(routes)) {
    app.all(`/t/${name}`, async (c) => {
      const onChunk = async (listener: () => void) => {
        for await (const _ of c.req.raw.body ?? []) listener()
      }
      const text = name === 'upload' ? '' : await c.req.text()
      if (c.req.header('content-type') === 'application/json' && name === 'add') await c.req.json()
      const { status, body } = await route({ tenancy: c.var.tenancy, body: text, onChunk })
      c.header('Set-Cookie', 'made=yes')
      c.header('Location', '/made')
      return status === 204 ? c.body(null, 204) : c.json(body, status as 200)
    })
  }
  return serveFetch((request, incoming) => app.fetch(request, { incoming }))
}

type Fetch = (request: Request, incoming: IncomingMessage) => Response | Promise<Response>

export function serveFetch(fetch: Fetch): Promise<Served> {
  return serve((incoming, outgoing) => void bridge(fetch, incoming, outgoing))
}

/** What a Node server for Web handlers does: `fetch` with an abort signal, and the body streamed back. */
async function bridge(fetch: Fetch, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const gone = new AbortController()
  outgoing.once('close', () => outgoing.writableFinished || gone.abort())
  const headers = new Headers()
  for (const [name, values] of Object.entries(incoming.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value)
  }
  const { method = 'GET', url } = incoming
  const hasBody = method !== 'GET' && method !== 'HEAD'
  const request = new Request(`http://${headers.get('host')}${url}`, {
    method,
    headers,
    signal: gone.signal,
    ...(hasBody && { body: Readable.toWeb(incoming) as ReadableStream, duplex: 'half' }),
  })
  try {
    const response = await fetch(request, incoming)
    outgoing.writeHead(response.status, [...response.headers].flat())
    if (response.body) await pipeline(Readable.fromWeb(response.body as never), outgoing)
    else outgoing.end()
  } catch {
    outgoing.destroy()
  }
}

async function never(): Promise<void> {
  throw new Error('has no stream')
}
