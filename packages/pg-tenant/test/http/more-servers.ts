import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import {
  All,
  Body,
  Controller,
  Get,
  type INestApplication,
  Module,
  Req,
  Res,
  type Type,
} from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import type { NestExpressApplication } from '@nestjs/platform-express'
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify'
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import * as forFastify from '../../src/fastify/index.ts'
import type { RequestTenancy } from '../../src/http/request-tenancy.ts'
import * as forNest from '../../src/nest/index.ts'
import type { TenantAccess } from '../../src/tenancy/interface.ts'
import { tenantHandler } from '../../src/web/index.ts'
import { routes } from './routes.ts'
import { type Served, serveFetch } from './servers.ts'

type Options = forFastify.TenantOptions

/** Half an answer, then an error. */
const half = () =>
  Readable.from(
    (async function* () {
      yield 'half of it'
      throw new Error('secret 1234')
    })(),
  )

async function never(): Promise<void> {
  throw new Error('has no stream')
}

/** Chunks of Node's own request, as its listeners get them. */
const chunksOf = (raw: NodeJS.ReadableStream) => async (listener: () => void) => {
  raw.on('data', listener)
  await new Promise((done) => raw.once('end', done))
}

/** Everything as text, but for the route that reads the request's own stream. */
function textUnlessUpload(
  request: FastifyRequest,
  payload: IncomingMessage,
  done: (error: null, body: unknown) => void,
) {
  if (request.url.endsWith('/upload')) done(null, payload)
  else text(payload).then((body) => done(null, body))
}

export async function serveFastify(tenancy: TenantAccess, options: Options): Promise<Served> {
  const app = fastify({ forceCloseConnections: true })
  app.setErrorHandler(forFastify.answerErrors({ ...(options.onError && { onError: options.onError }) }))
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('Access-Control-Allow-Origin', '*')
  })
  app.get('/open', async () => {
    throw new Error('secret 1234')
  })
  await app.register(
    async (t) => {
      await t.register(forFastify.tenant(tenancy, options))
      t.get('/half', async (_request, reply) => reply.send(half()))
      t.addContentTypeParser('text/plain', textUnlessUpload)
      for (const [name, route] of Object.entries(routes)) {
        t.all(`/${name}`, async (request: FastifyRequest, reply: FastifyReply) => {
          const onChunk = name === 'upload' ? chunksOf(request.raw) : never
          const { status, body } = await route({
            tenancy: request.tenancy,
            body: typeof request.body === 'string' ? request.body : '',
            onChunk,
          })
          reply.header('Set-Cookie', 'made=yes').header('Location', '/made').code(status)
          return status === 204 ? reply.send() : reply.type('application/json').send(JSON.stringify(body))
        })
      }
    },
    { prefix: '/t' },
  )
  return { url: await app.listen({ port: 0, host: '127.0.0.1' }), close: () => app.close() }
}

export function serveWeb(tenancy: TenantAccess, options: Options): Promise<Served> {
  const handle = tenantHandler<[name: string, peer: string | undefined]>(tenancy, {
    ...options,
    peer: (_request, _name, peer) => peer,
  })
  const any = handle(async (request, { tenancy: its }, name) => {
    if (name === 'half') return new Response(Readable.toWeb(half()) as ReadableStream)
    const onChunk = async (listener: () => void) => {
      for await (const _ of request.body ?? []) listener()
    }
    const sent = name === 'upload' ? '' : await request.text()
    if (request.headers.get('content-type') === 'application/json' && name === 'add') JSON.parse(sent)
    const { status, body } = await (routes[name] as (typeof routes)[string])({
      tenancy: its,
      body: sent,
      onChunk,
    })
    const headers = { 'Set-Cookie': 'made=yes', Location: '/made' }
    return status === 204 ? new Response(null, { status, headers }) : Response.json(body, { status, headers })
  })
  return serveFetch(async (request, { socket }) => {
    const name = new URL(request.url).pathname.replace('/t/', '')
    const response = await any(request, name, socket.remoteAddress)
    response.headers.set('Access-Control-Allow-Origin', '*')
    return response
  })
}

function nestModule(tenancy: forNest.TenancyModuleOptions['tenancy'], options: Options) {
  class Open {
    open() {
      throw new Error('secret 1234')
    }
  }
  Get('open')(Open.prototype, 'open', describe(Open, 'open'))
  forNest.WithoutTenant()(Open)
  Controller()(Open)

  class Routes {
    half(response: NodeJS.WritableStream & { raw?: NodeJS.WritableStream }) {
      const raw = response.raw ?? response
      raw.write('half of it')
      throw new Error('secret 1234')
    }
  }
  Get('half')(Routes.prototype, 'half', describe(Routes, 'half'))
  Res()(Routes.prototype, 'half', 0)
  for (const [name, route] of Object.entries(routes)) {
    const method = async (
      db: RequestTenancy,
      body: unknown,
      request: { raw?: NodeJS.ReadableStream } & NodeJS.ReadableStream,
      response: { status(code: number): void; header(name: string, value: string): void },
    ) => {
      const onChunk = name === 'upload' ? chunksOf(request.raw ?? request) : never
      const answer = await route({ tenancy: db, body: typeof body === 'string' ? body : '', onChunk })
      response.status(answer.status)
      response.header('Set-Cookie', 'made=yes')
      response.header('Location', '/made')
      return JSON.stringify(answer.body)
    }
    Object.defineProperty(Routes.prototype, name, { value: method, configurable: true, writable: true })
    All(name)(Routes.prototype, name, describe(Routes, name))
    forNest.RequestDb()(Routes.prototype, name, 0)
    Body()(Routes.prototype, name, 1)
    Req()(Routes.prototype, name, 2)
    Res({ passthrough: true })(Routes.prototype, name, 3)
  }
  Controller('t')(Routes)

  class App {}
  Module({
    imports: [forNest.TenancyModule.forRoot({ tenancy, ...options })],
    controllers: [Open, Routes],
  })(App)
  return App
}

function describe(type: { readonly prototype: object }, name: string): PropertyDescriptor {
  return Object.getOwnPropertyDescriptor(type.prototype, name) as PropertyDescriptor
}

const serveNest =
  (make: (module: Type) => Promise<INestApplication>) =>
  async (tenancy: TenantAccess, options: Options): Promise<Served> => {
    // The module closes the tenancy when the application stops; here other tests go on with it.
    const app = await make(nestModule({ ...tenancy, close: async () => {} }, options))
    app.enableCors()
    await app.listen(0, '127.0.0.1')
    return { url: await app.getUrl(), close: () => app.close() }
  }

export const serveNestOnExpress = serveNest(async (module) => {
  const app = await NestFactory.create<NestExpressApplication>(module, {
    logger: false,
    forceCloseConnections: true,
  })
  app.use((request: IncomingMessage & { body?: unknown }, _response: unknown, next: () => void) => {
    if (request.url?.endsWith('/upload') || request.headers['content-type'] !== 'text/plain') return next()
    text(request).then((body) => {
      request.body = body
      next()
    })
  })
  return app
})

export const serveNestOnFastify = serveNest(async (module) => {
  const adapter = new FastifyAdapter({ forceCloseConnections: true })
  adapter.getInstance().addContentTypeParser('text/plain', textUnlessUpload)
  return await NestFactory.create<NestFastifyApplication>(module, adapter, { logger: false })
})
