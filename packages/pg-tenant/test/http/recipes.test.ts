import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import * as core from '@org/core'
import express, { type RequestHandler } from 'express'
import { describe, expect, it } from 'vitest'
import * as forExpress from '../../src/express/index.ts'
import { useWorld } from '../support/world.ts'

const world = useWorld()

/** The claims of `acme` for the token `acme`. */
const verifier = {
  verify: async (token: string): Promise<core.TokenClaims> => {
    if (token === 'bad') throw new core.TenancyError('INVALID_TOKEN', 'no')
    return { sub: 'ann', type: 'user', tenantId: token }
  },
}

class HttpException extends Error {
  getStatus() {
    return 404
  }
}

/** Runs the first code block of a recipe as it stands. */
async function run(recipe: string, app: unknown): Promise<void> {
  const page = await readFile(new URL(`../../../../docs/recipes/${recipe}.md`, import.meta.url), 'utf8')
  const [, code = ''] = /```ts\n(.*?)```/s.exec(page) ?? []
  const body = code.replace(/import (\{.*?\}) from '(.*?)'/g, "const $1 = modules['$2']")
  const modules = {
    '@org/core': core,
    '@org/pg-tenant/express': forExpress,
    '@nestjs/common': { HttpException },
  }
  new Function('modules', 'app', 'tenancy', 'verifier', body)(modules, app, world.tenancy(), verifier)
}

interface FastifyRequest {
  readonly raw: IncomingMessage
  readonly headers: IncomingMessage['headers']
  readonly id: string
  resolved?: core.ResolvedTenant
}
interface Reply {
  code(status: number): Reply
  header(name: string, value: string): Reply
  send(body: unknown): void
}
type Handler = (request: FastifyRequest) => Promise<unknown>

/** Fastify's order: onRequest, the body, preValidation, the handler; errors of any of them to the error handler. */
function fastifyStandIn(handler: Handler) {
  const hooks: Record<
    string,
    (request: FastifyRequest, reply: Reply, done: (error?: Error) => void) => unknown
  > = {}
  let onError = (_error: unknown, _request: FastifyRequest, _reply: Reply): void => {}
  const server = createServer((raw, res) => {
    const request: FastifyRequest = { raw, headers: raw.headers, id: 'req-1' }
    const reply: Reply = {
      code(status) {
        res.statusCode = status
        return reply
      },
      header(name, value) {
        res.setHeader(name, value)
        return reply
      },
      send: (body) => void res.end(JSON.stringify(body)),
    }
    const work = async () => {
      await hooks.onRequest?.(request, reply, () => {})
      await text(raw)
      // What runs in `done` runs in the context the hook opened, as in Fastify.
      return new Promise((resolve, reject) =>
        hooks.preValidation?.(request, reply, () => void handler(request).then(resolve, reject)),
      )
    }
    work().then(reply.send, (error) => onError(error, request, reply))
  })
  return {
    server,
    app: {
      decorateRequest: () => {},
      addHook: (name: string, hook: (typeof hooks)[string]) => {
        hooks[name] = hook
      },
      setErrorHandler: (handler: typeof onError) => {
        onError = handler
      },
    },
  }
}

async function listening(server: ReturnType<typeof createServer>): Promise<string> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/notes`
}

const as = (token: string, language = 'en') => ({
  headers: { authorization: `Bearer ${token}`, 'accept-language': language },
})
const SCHEMA = 'select current_schema() as schema'

describe('recipes', () => {
  it('Fastify', async () => {
    const { server, app } = fastifyStandIn(async (request) => {
      const tenant = core.currentTenant()
      const { rows } = await world.tenancy().query(request.resolved?.tenant ?? '', SCHEMA)
      if (request.headers['x-fail']) throw new Error('secret 1234')
      return { tenant, actor: core.currentActor().id, ...rows[0] }
    })
    await run('fastify', app)
    const url = await listening(server)
    const answers = await Promise.all(
      ['acme', 'globex'].map(async (tenant) =>
        (await fetch(url, { ...as(tenant), method: 'POST', body: 'x' })).json(),
      ),
    )
    expect(answers).toEqual([
      { tenant: 'acme', actor: 'ann', schema: 'c_acme' },
      { tenant: 'globex', actor: 'ann', schema: 'c_globex' },
    ])
    const refused = await fetch(url, as('bad', 'pt'))
    expect([refused.status, await refused.json()]).toEqual([
      401,
      { error: { code: 'INVALID_TOKEN', message: 'O token é inválido.', requestId: 'req-1' } },
    ])
    const failed = await fetch(url, { headers: { ...as('acme').headers, 'x-fail': '1' } })
    expect([failed.status, await failed.text()]).toEqual([500, expect.not.stringContaining('1234')])
    server.close()
  })

  it('Nest', async () => {
    const platform = express()
    const filters: { catch(error: unknown, host: { getArgs(): unknown[] }): void }[] = []
    await run('nest', {
      use: (path: string, middleware: RequestHandler) => platform.use(path, middleware),
      useGlobalFilters: (filter: (typeof filters)[number]) => filters.push(filter),
    })
    platform.get('/v1/notes', async (req, res) => {
      const { rows } = await req.tenancy.query(SCHEMA)
      if (req.query.missing) throw new HttpException('secret 1234')
      res.json({ tenant: core.currentTenant(), ...rows[0] })
    })
    platform.use(
      (error: unknown, req: express.Request, res: express.Response, next: express.NextFunction) => {
        for (const filter of filters) filter.catch(error, { getArgs: () => [req, res, next] })
      },
    )
    const server = createServer(platform)
    const url = await listening(server)
    expect(await (await fetch(url, as('acme'))).json()).toEqual({ tenant: 'acme', schema: 'c_acme' })
    expect(await (await fetch(url, as('bad', 'es'))).json()).toMatchObject({
      error: { code: 'INVALID_TOKEN', message: 'El token no es válido.' },
    })
    const missing = await fetch(`${url}?missing=1`, as('acme'))
    expect([missing.status, await missing.json()]).toMatchObject([404, { error: { code: 'NOT_FOUND' } }])
    server.close()
  })
})
