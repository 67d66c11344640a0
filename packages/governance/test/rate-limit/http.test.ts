import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Controller, Get, Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { ExpressAdapter } from '@nestjs/platform-express'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import { toErrorBody } from '@org/core'
import express, { type NextFunction, type Request, type Response } from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import { afterAll, describe, expect, it } from 'vitest'
import { limit as forExpress } from '../../src/rate-limit/express/index.ts'
import { limit as forFastify } from '../../src/rate-limit/fastify/index.ts'
import { limit as forHono } from '../../src/rate-limit/hono/index.ts'
import { rateLimit } from '../../src/rate-limit/index.ts'
import { Limit } from '../../src/rate-limit/nest/index.ts'
import { limit as forWeb } from '../../src/rate-limit/web/index.ts'

type Limiter = ReturnType<typeof make>
const make = () => rateLimit({ categories: { api: { limit: 2, seconds: 600 } } })
const closers: (() => unknown)[] = []
afterAll(async () => {
  for (const close of closers) await close()
})

/** Who a request is from is what its header says: a stand-in for the tenant's middleware. */
const callerOf = (header: unknown) => ({
  tenant: header === undefined ? undefined : String(header),
  address: '192.0.2.1',
})

async function overExpress(limiter: Limiter): Promise<string> {
  const app = express()
  app.get(
    '/',
    forExpress(limiter, 'api', (req) => callerOf(req.get('x-tenant'))),
    (_req, res) => void res.json('ok'),
  )
  app.use((error: unknown, _req: Request, res: Response, _next: NextFunction) => {
    const { status, body } = toErrorBody(error)
    res.status(status).json(body)
  })
  const server = createServer(app as RequestListener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function overFastify(limiter: Limiter): Promise<string> {
  const app = fastify()
  app.setErrorHandler((error, _request, reply) => {
    const { status, body } = toErrorBody(error)
    return reply.code(status).send(body)
  })
  app.addHook(
    'preHandler',
    forFastify(limiter, 'api', (request) => callerOf(request.headers['x-tenant'])),
  )
  app.get('/', async () => 'ok')
  closers.push(() => app.close())
  return await app.listen({ port: 0, host: '127.0.0.1' })
}

const overNest =
  (platform: 'express' | 'fastify') =>
  async (limiter: Limiter): Promise<string> => {
    class Home {
      home() {
        return 'ok'
      }
    }
    const property = Object.getOwnPropertyDescriptor(Home.prototype, 'home') as PropertyDescriptor
    Get()(Home.prototype, 'home', property)
    Limit(limiter, 'api', (request) => callerOf(request.headers['x-tenant']))(
      Home.prototype,
      'home',
      property,
    )
    Controller()(Home)
    class App {}
    Module({ controllers: [Home] })(App)
    const adapter = platform === 'express' ? new ExpressAdapter() : new FastifyAdapter()
    const app = await NestFactory.create(App, adapter as ExpressAdapter, { logger: false })
    app.useGlobalFilters({
      catch: (error: unknown, host) => {
        const { status, body } = toErrorBody(error)
        app.getHttpAdapter().reply(host.switchToHttp().getResponse(), body, status)
      },
    })
    await app.listen(0, '127.0.0.1')
    closers.push(() => app.close())
    return await app.getUrl()
  }

type Ask = (tenant?: string) => Promise<globalThis.Response>
const over =
  (serve: (limiter: Limiter) => Promise<string>) =>
  async (limiter: Limiter): Promise<Ask> => {
    const url = await serve(limiter)
    return (tenant) => fetch(url, { headers: { connection: 'close', ...(tenant && { 'x-tenant': tenant }) } })
  }

async function overHono(limiter: Limiter): Promise<Ask> {
  const app = new Hono()
  app.get(
    '/',
    forHono(limiter, 'api', (c) => callerOf(c.req.header('x-tenant'))),
    (c) => c.json('ok'),
  )
  app.onError((error, c) => {
    const { status, body } = toErrorBody(error)
    return c.json(body, status as 429)
  })
  return async (tenant) => app.request('/', { headers: tenant ? { 'x-tenant': tenant } : {} })
}

async function overWeb(limiter: Limiter): Promise<Ask> {
  const handler = forWeb(
    limiter,
    'api',
    () => globalThis.Response.json('ok'),
    (request) => callerOf(request.headers.get('x-tenant') ?? undefined),
  )
  return async (tenant) => {
    const request = new globalThis.Request('http://hub.example/', {
      headers: tenant ? { 'x-tenant': tenant } : {},
    })
    return await handler(request, {})
  }
}

describe.each([
  ['web', overWeb],
  ['express', over(overExpress)],
  ['fastify', over(overFastify)],
  ['hono', overHono],
  ['nest on express', over(overNest('express'))],
  ['nest on fastify', over(overNest('fastify'))],
])('%s', (_name, open) => {
  it('lets through what is not too much, says what is left, and refuses the rest with 429', async () => {
    const ask = await open(make())
    const answers = []
    for (const tenant of ['a', 'a', 'a', 'b', undefined, undefined, undefined])
      answers.push(await ask(tenant))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429, 200, 200, 200, 429])
    expect(answers[0]?.headers.get('ratelimit')).toMatch(/^"api";r=1;t=\d+$/)
    expect(answers[2]?.headers.get('ratelimit-policy')).toBe('"api";q=2;w=600')
    expect(Number(answers[2]?.headers.get('retry-after'))).toBeGreaterThan(0)
    const body = (await answers[2]?.json()) as { error: { code: string } }
    expect(body.error.code).toBe('RATE_LIMITED')
  })
})

it('web: leaves an answer what it is, with all its cookies; a redirect gets a copy', async () => {
  const own = new globalThis.Response(null, { status: 204 })
  for (const cookie of ['a=1', 'b=2; Path=/']) own.headers.append('set-cookie', cookie)
  const away = globalThis.Response.redirect('http://hub.example/else', 303)
  const through = (response: globalThis.Response) =>
    forWeb(
      make(),
      'api',
      () => response,
      () => callerOf('a'),
    )(new globalThis.Request('http://hub.example/'), {})
  expect(await through(own)).toBe(own)
  expect(own.headers.getSetCookie()).toEqual(['a=1', 'b=2; Path=/'])
  const copy = await through(away)
  expect([copy.status, copy.headers.get('location')]).toEqual([303, 'http://hub.example/else'])
  for (const { headers } of [own, copy]) expect(headers.get('ratelimit')).toMatch(/^"api";r=1/)
})
