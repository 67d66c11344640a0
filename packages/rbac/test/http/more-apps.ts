import 'reflect-metadata'
import { Controller, Get, type INestApplication, Module, Post, type Type } from '@nestjs/common'
import { APP_GUARD, NestFactory } from '@nestjs/core'
import { ExpressAdapter } from '@nestjs/platform-express'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import { toErrorBody } from '@org/core'
import fastify, { type FastifyInstance } from 'fastify'
import type { ActionOf } from '../../src/catalog/model.ts'
import type { Evaluator } from '../../src/evaluate/evaluator.ts'
import * as forFastify from '../../src/fastify/index.ts'
import * as forNest from '../../src/nest/index.ts'
import * as forWeb from '../../src/web/index.ts'
import { catalog } from '../support/product.ts'

type Action = ActionOf<typeof catalog>
export type EvaluatorOf = (user: string | undefined) => Promise<Evaluator<Action>>
export type Ask = (
  method: string,
  path: string,
  headers: Record<string, string>,
) => Promise<globalThis.Response>

const text = (value: unknown) => (typeof value === 'string' ? value : undefined)

export function fastifyApp(evaluatorOf: EvaluatorOf, then?: (report: forFastify.RouteReport) => void) {
  const guard = forFastify.createGuard({
    catalog,
    evaluator: (request) => evaluatorOf(text(request.headers['x-user'])),
  })
  const app: FastifyInstance = fastify()
  guard.checkRoutes(app, then)
  const read = 'notes.item.read'
  app.setErrorHandler((error, _request, reply) => {
    const { status, body } = toErrorBody(error)
    return reply.code(status).send(body)
  })
  app.register(
    async (api) => {
      api.get('/notes', { preHandler: guard.requireAction(read, { onSomeRecords: true }) }, async (request) =>
        (await guard.evaluatorOf(request)).where(read),
      )
      const resource = (request: { headers: object }) => ({
        ownerId: Reflect.get(request.headers, 'x-owner'),
      })
      api.get('/notes/:id', { preHandler: [guard.requireAction(read, { resource })] }, async () => 'note')
      api.post('/notes', { preHandler: guard.requireAction(read) }, async () => 'made')
    },
    { prefix: '/v1' },
  )
  app.get('/health', { preHandler: guard.publicRoute() }, async () => 'ok')
  return { app, guard }
}

/** As the decorator syntax does it, which the sources cannot have. */
export function decorate(
  controller: { readonly prototype: object },
  handlers: Readonly<Record<string, readonly MethodDecorator[]>>,
): void {
  for (const [name, decorators] of Object.entries(handlers)) {
    const property = Object.getOwnPropertyDescriptor(controller.prototype, name) as PropertyDescriptor
    for (const one of decorators) one(controller.prototype, name, property)
  }
}

export function nestGuard(evaluatorOf: EvaluatorOf) {
  return forNest.createGuard({
    catalog,
    evaluator: (request) => evaluatorOf(text(request.headers['x-user'])),
  })
}

export function nestNotes(guard: ReturnType<typeof nestGuard>): Type[] {
  const read = 'notes.item.read'
  class Notes {
    all() {
      return ['notes']
    }
    one() {
      return 'note'
    }
    make() {
      return 'made'
    }
  }
  decorate(Notes, {
    all: [Get('notes'), guard.RequireAction(read, { onSomeRecords: true })],
    one: [
      Get('notes/:id'),
      guard.RequireAction(read, { resource: ({ headers }) => ({ ownerId: headers['x-owner'] }) }),
    ],
    make: [Post('notes'), guard.RequireAction(read)],
  })
  Controller('v1')(Notes)
  class Health {
    health() {
      return 'ok'
    }
  }
  decorate(Health, { health: [Get('health')] })
  guard.PublicRoute()(Health)
  Controller()(Health)
  return [Notes, Health]
}

export async function nestApp(
  platform: 'express' | 'fastify',
  guard: ReturnType<typeof nestGuard>,
  controllers: Type[],
): Promise<INestApplication> {
  class App {}
  Module({ controllers, providers: [{ provide: APP_GUARD, useValue: guard }] })(App)
  const adapter = platform === 'express' ? new ExpressAdapter() : new FastifyAdapter()
  const app = await NestFactory.create(App, adapter as ExpressAdapter, { logger: false })
  app.useGlobalFilters({
    catch: (error: unknown, host) => {
      const { status, body } = toErrorBody(error)
      app.getHttpAdapter().reply(host.switchToHttp().getResponse(), body, status)
    },
  })
  await app.init()
  return app
}

/** A router of Web requests as one writes it for Bun or Deno. */
export function webAsk(evaluatorOf: EvaluatorOf): Ask {
  interface Its {
    readonly user: string | undefined
  }
  const read = 'notes.item.read'
  const guard = forWeb.createGuard({ catalog, evaluator: ({ user }: Its) => evaluatorOf(user) })
  const routes: Record<string, (request: Request, its: Its) => Response | Promise<Response>> = {
    'GET /v1/notes': guard.requireAction(
      read,
      async (_request, its) => Response.json((await guard.evaluatorOf(its)).where(read)),
      { onSomeRecords: true },
    ),
    'GET /v1/notes/1': guard.requireAction(read, () => Response.json('note'), {
      resource: ({ request }) => ({ ownerId: request.headers.get('x-owner') }),
    }),
    'POST /v1/notes': guard.requireAction(read, () => Response.json('made')),
    'GET /health': () => Response.json('ok'),
  }
  return async (method, path, headers) => {
    try {
      const request = new Request(`http://hub.example${path}`, { method, headers })
      const its = { user: headers['x-user'] }
      return (await routes[`${method} ${path}`]?.(request, its)) ?? new Response(null, { status: 404 })
    } catch (error) {
      const { status, body } = toErrorBody(error)
      return Response.json(body, { status })
    }
  }
}
