import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createIdempotency } from '@org/governance/idempotency/express'
import type { Tenancy } from '@org/pg-tenant'
import express, { type RequestHandler } from 'express'
import { getSharedIdempotencyService, idempotency } from 'express-idempotency'
import type { Contender } from '../measure/interleave.ts'

export const ROUTES = {
  plain: 'POST /notes with Express',
  ours: 'the same, idempotent: key and answer committed with the note',
  memory: 'the same with express-idempotency: answers in memory, lost with the process',
} as const

const TENANT = 'acme'
const INSERT = 'insert into notes (body) values ($1) returning id'

/** One route that inserts a row in a scope, three times; each request has a key of its own. */
export async function idempotentRoutes(
  tenancy: Tenancy,
): Promise<{ readonly contenders: Contender[]; close(): Promise<void> }> {
  const sealing = { seal: (text: string) => text, open: (text: string) => text }
  const { idempotent } = createIdempotency({
    scopes: tenancy,
    sealing,
    tenantOf: () => TENANT,
    actorOf: () => ({ type: 'user', id: 'u1' }),
  })
  const insert: RequestHandler = async (_req, res) => {
    const { rows } = await tenancy.withTenant(TENANT, (db) =>
      db.query<{ id: string }>(INSERT, [randomUUID()]),
    )
    res.status(201).json({ id: rows[0]?.id })
  }
  const unlessHit: RequestHandler = (req, _res, next) => {
    if (!getSharedIdempotencyService().isHit(req)) next()
  }
  const app = express().use(express.json())
  app.post('/plain', insert)
  app.post('/ours', idempotent('notes.note.create'), insert)
  app.post('/memory', idempotency() as RequestHandler, unlessHit, insert)
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const agent = new Agent({ keepAlive: true })
  const to = (path: string) => async () => {
    const headers = { 'content-type': 'application/json', 'idempotency-key': randomUUID() }
    const sent = request({ port, path, agent, method: 'POST', headers }).end('{"body":"x"}')
    const [answer] = await once(sent, 'response')
    answer.resume()
    await once(answer, 'end')
    if (answer.statusCode !== 201) throw new Error(`${path} answered ${answer.statusCode}`)
  }
  return {
    contenders: [
      { name: ROUTES.plain, run: to('/plain') },
      { name: ROUTES.ours, run: to('/ours') },
      { name: ROUTES.memory, run: to('/memory') },
    ],
    close: async () => {
      agent.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
