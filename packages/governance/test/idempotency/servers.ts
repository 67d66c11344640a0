import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { Body, Controller, Module, Post, Req, Res } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { ExpressAdapter } from '@nestjs/platform-express'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import type { Actor } from '@org/core'
import { toErrorBody } from '@org/core'
import type { TenantAccess } from '@org/pg-tenant'
import express, { type NextFunction, type Request, type Response } from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import * as forExpress from '../../src/idempotency/express/index.ts'
import * as forFastify from '../../src/idempotency/fastify/index.ts'
import * as forHono from '../../src/idempotency/hono/index.ts'
import type { IdempotencyOptions } from '../../src/idempotency/index.ts'
import * as forNest from '../../src/idempotency/nest/index.ts'
import * as forWeb from '../../src/idempotency/web/index.ts'
import { acme } from '../support/levels.ts'

/** One route of each kind, however its framework writes answers. */
export type Kind = 'json' | 'stream' | 'end' | 'secret' | 'fails' | 'refuses'
export const KINDS: readonly Kind[] = ['json', 'stream', 'end', 'secret', 'fails', 'refuses']

export interface Served {
  readonly url: string
  close(): Promise<unknown>
}

type Options = IdempotencyOptions & { readonly scopes: TenantAccess }

/** What all of them do: through the tenancy, as a handler that knows nothing of it would. */
async function create({ scopes }: Options, body: { readonly body: string }): Promise<string> {
  const { rows } = await scopes.query<{ id: string }>(
    acme,
    'insert into notes (body) values ($1) returning id',
    [body.body],
  )
  return String(rows[0]?.id)
}

const actorOf = (headers: { readonly [name: string]: unknown }): Actor => ({
  type: 'user',
  id: String(headers['x-user'] ?? 'u'),
})

const pieces = (id: string) => Readable.from(['id ', 'is ', id].map((text) => Buffer.from(text)))

export async function serveExpress(options: Options): Promise<Served> {
  const { idempotent, reference } = forExpress.createIdempotency({
    ...options,
    tenantOf: () => acme,
    actorOf: (req) => actorOf(req.headers),
  })
  const app = express().use(express.json())
  const route = (kind: Kind) => idempotent(`notes.${kind}`, { secret: kind === 'secret' })
  app.post('/json', route('json'), async (req, res) => {
    const id = await create(options, req.body)
    res.status(201).location(`/notes/${id}`).cookie('session', 'x').json({ id })
  })
  app.post('/stream', route('stream'), async (req, res) => {
    pieces(await create(options, req.body)).pipe(res)
  })
  app.post('/end', route('end'), async (req, res) => {
    const id = await create(options, req.body)
    res.writeHead(202, { 'Content-Type': 'text/plain' })
    res.write('id is ')
    res.end(id)
  })
  app.post('/secret', route('secret'), async (req, res) => {
    const id = await create(options, req.body)
    reference(req, id)
    res.status(201).json({ id, secret: 'sk_live_1' })
  })
  app.post('/fails', route('fails'), async (req) => {
    await create(options, req.body)
    throw new Error('no')
  })
  app.post('/refuses', route('refuses'), async (req, res) => {
    await create(options, req.body)
    res.status(409).json({ no: true })
  })
  app.use((error: unknown, _req: Request, res: Response, _next: NextFunction) => {
    const { status, body } = toErrorBody(error)
    res.status(status).json(body)
  })
  return listen(app as RequestListener)
}

export async function serveFastify(options: Options): Promise<Served> {
  const { idempotent, reference } = forFastify.createIdempotency({
    ...options,
    tenantOf: () => acme,
    actorOf: (request) => actorOf(request.headers),
  })
  const app = fastify()
  app.setErrorHandler((error, _request, reply) => {
    const { status, body } = toErrorBody(error)
    return reply.code(status).send(body)
  })
  type Body = { Body: { body: string } }
  const route = (kind: Kind) => idempotent(`notes.${kind}`, { secret: kind === 'secret' })
  app.post<Body>('/json', route('json'), async (request, reply) => {
    const id = await create(options, request.body)
    return reply.code(201).header('location', `/notes/${id}`).header('set-cookie', 'session=x').send({ id })
  })
  app.post<Body>('/stream', route('stream'), async (request, reply) =>
    reply.send(pieces(await create(options, request.body))),
  )
  app.post<Body>('/end', route('end'), async (request, reply) => {
    const id = await create(options, request.body)
    reply.hijack()
    reply.raw.writeHead(202, { 'Content-Type': 'text/plain' })
    reply.raw.write('id is ')
    reply.raw.end(id)
  })
  app.post<Body>('/secret', route('secret'), async (request, reply) => {
    const id = await create(options, request.body)
    reference(request, id)
    return reply.code(201).send({ id, secret: 'sk_live_1' })
  })
  app.post<Body>('/fails', route('fails'), async (request) => {
    await create(options, request.body)
    throw new Error('no')
  })
  app.post<Body>('/refuses', route('refuses'), async (request, reply) => {
    await create(options, request.body)
    return reply.code(409).send({ no: true })
  })
  return { url: await app.listen({ port: 0, host: '127.0.0.1' }), close: () => app.close() }
}

export async function serveHono(options: Options): Promise<Served> {
  const { idempotent, reference } = forHono.createIdempotency({
    ...options,
    tenantOf: () => acme,
    actorOf: (c) => actorOf(c.req.header()),
  })
  const app = new Hono()
  const route = (kind: Kind) => idempotent(`notes.${kind}`, { secret: kind === 'secret' })
  app.post('/json', route('json'), async (c) => {
    const id = await create(options, await c.req.json())
    c.header('location', `/notes/${id}`)
    c.header('set-cookie', 'session=x')
    return c.json({ id }, 201)
  })
  app.post('/stream', route('stream'), async (c) => {
    const id = await create(options, await c.req.json())
    return c.body(Readable.toWeb(pieces(id)) as ReadableStream)
  })
  app.post('/end', route('end'), async (c) =>
    c.text(`id is ${await create(options, await c.req.json())}`, 202),
  )
  app.post('/secret', route('secret'), async (c) => {
    const id = await create(options, await c.req.json())
    reference(c, id)
    return c.json({ id, secret: 'sk_live_1' }, 201)
  })
  app.post('/fails', route('fails'), async (c) => {
    await create(options, await c.req.json())
    throw new Error('no')
  })
  app.post('/refuses', route('refuses'), async (c) => {
    await create(options, await c.req.json())
    return c.json({ no: true }, 409)
  })
  app.onError((error, c) => {
    const { status, body } = toErrorBody(error)
    return c.json(body, status as 500)
  })
  return listenTo((request) => app.fetch(request))
}

const read = async (request: globalThis.Request) => (await request.json()) as { readonly body: string }

/** As one writes it for Next, Bun or Deno. */
export async function serveWeb(options: Options): Promise<Served> {
  const { idempotent, reference } = forWeb.createIdempotency<{ readonly actor: Actor }>({
    ...options,
    tenantOf: () => acme,
  })
  const handlers: Record<Kind, forWeb.WebHandler<{ readonly actor: Actor }>> = {
    json: async (request) => {
      const id = await create(options, await read(request))
      const headers = { location: `/notes/${id}`, 'set-cookie': 'session=x' }
      return globalThis.Response.json({ id }, { status: 201, headers })
    },
    stream: async (request) =>
      new globalThis.Response(
        Readable.toWeb(pieces(await create(options, await read(request)))) as ReadableStream,
      ),
    end: async (request) =>
      new globalThis.Response(`id is ${await create(options, await read(request))}`, { status: 202 }),
    secret: async (request, its) => {
      const id = await create(options, await read(request))
      reference(its, id)
      return globalThis.Response.json({ id, secret: 'sk_live_1' }, { status: 201 })
    },
    fails: async (request) => {
      await create(options, await read(request))
      throw new Error('no')
    },
    refuses: async (request) => {
      await create(options, await read(request))
      return globalThis.Response.json({ no: true }, { status: 409 })
    },
  }
  const routes = new Map(
    KINDS.map((kind) => [
      `/${kind}`,
      idempotent(`notes.${kind}`, handlers[kind], { secret: kind === 'secret' }),
    ]),
  )
  return listenTo(async (request) => {
    const route = routes.get(new URL(request.url).pathname)
    try {
      const its = { actor: actorOf(Object.fromEntries(request.headers)) }
      return (await route?.(request, its)) ?? new globalThis.Response(null, { status: 404 })
    } catch (error) {
      const { status, body } = toErrorBody(error)
      return globalThis.Response.json(body, { status })
    }
  })
}

const listenTo = (
  answer: (request: globalThis.Request) => globalThis.Response | Promise<globalThis.Response>,
) =>
  listen(async (req, res) => {
    const url = `http://127.0.0.1${req.url}`
    const headers = new Headers(req.headers as Record<string, string>)
    const body = Readable.toWeb(req) as ReadableStream
    const response = await answer(
      new globalThis.Request(url, { method: 'POST', headers, body, duplex: 'half' }),
    )
    res.writeHead(response.status, Object.fromEntries(response.headers))
    res.end(Buffer.from(await response.arrayBuffer()))
  })

export const serveNest =
  (platform: 'express' | 'fastify') =>
  async (options: Options): Promise<Served> => {
    const { Idempotent, reference } = forNest.createIdempotency({
      ...options,
      tenantOf: () => acme,
      actorOf: (request) => actorOf(request.headers),
    })
    type Answer = {
      status(code: number): void
      header(name: string, value: string): void
      raw?: NodeJS.WritableStream
    } & Response
    const handlers: Record<
      Kind,
      (request: Request, response: Answer, body: { body: string }) => Promise<unknown>
    > = {
      json: async (_request, response, body) => {
        const id = await create(options, body)
        response.status(201)
        response.header('location', `/notes/${id}`)
        response.header('set-cookie', 'session=x')
        return { id }
      },
      stream: async (_request, response, body) => {
        const raw = (response.raw ?? response) as Response
        pieces(await create(options, body)).pipe(raw)
      },
      end: async (_request, response, body) => {
        const raw = (response.raw ?? response) as Response
        raw.writeHead(202, { 'Content-Type': 'text/plain' })
        raw.write('id is ')
        raw.end(await create(options, body))
      },
      secret: async (request, _response, body) => {
        const id = await create(options, body)
        reference(request, id)
        return { id, secret: 'sk_live_1' }
      },
      fails: async (_request, _response, body) => {
        await create(options, body)
        throw new Error('no')
      },
      refuses: async (_request, response, body) => {
        await create(options, body)
        response.status(409)
        return { no: true }
      },
    }
    class Notes {}
    for (const kind of KINDS) {
      Object.defineProperty(Notes.prototype, kind, {
        value: handlers[kind],
        configurable: true,
        writable: true,
      })
      const property = Object.getOwnPropertyDescriptor(Notes.prototype, kind) as PropertyDescriptor
      Post(kind)(Notes.prototype, kind, property)
      Idempotent(`notes.${kind}`, { secret: kind === 'secret' })(Notes.prototype, kind, property)
      Req()(Notes.prototype, kind, 0)
      if (kind === 'stream' || kind === 'end') Res()(Notes.prototype, kind, 1)
      else Res({ passthrough: true })(Notes.prototype, kind, 1)
      Body()(Notes.prototype, kind, 2)
    }
    Controller()(Notes)
    class App {}
    Module({ controllers: [Notes] })(App)
    const adapter = platform === 'express' ? new ExpressAdapter() : new FastifyAdapter()
    const app = await NestFactory.create(App, adapter as ExpressAdapter, { logger: false })
    app.useGlobalFilters({
      catch: (error: unknown, host) => {
        const { status, body } = toErrorBody(error)
        app.getHttpAdapter().reply(host.switchToHttp().getResponse(), body, status)
      },
    })
    await app.listen(0, '127.0.0.1')
    return { url: await app.getUrl(), close: () => app.close() }
  }

async function listen(listener: RequestListener): Promise<Served> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, close: async () => server.close() }
}
