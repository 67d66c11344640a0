import { EventEmitter } from 'node:events'
import { Readable } from 'node:stream'
import { setTimeout as delay, setImmediate as tick } from 'node:timers/promises'
import { currentActor, currentTenant, tryCurrentRequest, tryCurrentTenant } from '@org/core'
import type { RequestTenancy } from '../../src/http/request-tenancy.ts'

export interface RouteInput {
  readonly tenancy: RequestTenancy
  readonly body: string
  /** the chunks of the body as they come, each told in a callback of the framework's own stream */
  readonly onChunk: (listener: () => void) => Promise<void>
}

export type Route = (input: RouteInput) => Promise<{ readonly status: number; readonly body: unknown }>

/** Lets several requests meet, so that they are in flight at the same time. */
export const meeting = new EventEmitter()
meeting.setMaxListeners(100)

const ok = (body: unknown, status = 200) => ({ status, body })
const bodies = async (tenancy: RequestTenancy) =>
  (await tenancy.query<{ body: string }>('select body from notes order by id')).rows.map(({ body }) => body)
const insert = (tenancy: RequestTenancy, body: string) =>
  tenancy.query('insert into notes (body) values ($1)', [body])
const ORPHAN = 'insert into child (note) values (-1)'

/** What the handlers under test do; the same for both frameworks. */
export const routes: Readonly<Record<string, Route>> = {
  list: async ({ tenancy }) => ok(await bodies(tenancy)),
  add: async ({ tenancy, body }) => {
    await insert(tenancy, body)
    return ok('added', 201)
  },
  /** Everything that can say whose request this is, around other requests' turns. */
  who: async ({ tenancy }) => {
    const says = () => [currentTenant(), currentActor().id, tryCurrentRequest()?.tenant, tenancy.tenant]
    const before = says()
    await new Promise<void>((go) => meeting.once('go', go).emit('arrived'))
    const { rows } = await tenancy.query('select current_schema() as schema, current_user::text as role')
    await delay(1)
    const inside = await tenancy.transaction(async (db) => {
      await tick()
      return [db.tenant, ...says()]
    })
    return ok({ says: [...before, ...inside, ...says()], ...rows[0] })
  },
  /** Callbacks of timers, emitters and streams. */
  callbacks: async ({ tenancy }) => {
    const seen: unknown[] = []
    const see = () => seen.push(tryCurrentTenant())
    await new Promise<void>((done) => setTimeout(() => done(void see()), 1))
    const emitter = new EventEmitter().on('x', see)
    await tenancy.query('select 1')
    emitter.emit('x')
    for await (const _ of Readable.from(['a', 'b'])) see()
    await new Promise<void>((done) => Readable.from(['a']).on('data', see).on('end', done))
    await tenancy.transaction(async (db) => {
      for await (const _ of db.stream('select generate_series(1, 3)')) see()
    })
    return ok(seen)
  },
  /** Callbacks of the request's own stream: another's tenant there would be a leak, none is not. */
  upload: async ({ tenancy, onChunk }) => {
    const seen: unknown[] = []
    const queries: Promise<unknown>[] = []
    await onChunk(() => {
      seen.push(tryCurrentTenant() ?? null)
      queries.push(tenancy.query('select current_schema() as schema').then(({ rows }) => rows[0]?.schema))
    })
    return ok({ seen, schemas: await Promise.all(queries) })
  },
  addThen: async ({ tenancy, body }) => {
    const { text, status } = JSON.parse(body) as { text: string; status: number }
    await insert(tenancy, text)
    return ok('as told', status)
  },
  addThenThrow: async ({ tenancy, body }) => {
    await insert(tenancy, body)
    throw new Error('secret 1234')
  },
  addThenSwallow: async ({ tenancy, body }) => {
    await insert(tenancy, body)
    await tenancy.query('select 1/0').catch(() => {})
    return ok('all is well')
  },
  addThenHang: async ({ tenancy, body }) => {
    await insert(tenancy, body)
    meeting.emit('hangs')
    return new Promise(() => {})
  },
  addNotAwaited: async ({ tenancy, body }) => {
    insert(tenancy, body).catch(() => {})
    return ok('all is well')
  },
  /** Fails at COMMIT: the constraint is deferred. */
  orphan: async ({ tenancy, body }) => {
    await tenancy.transaction(async (db) => {
      await db.query('insert into notes (body) values ($1)', [body])
      await db.query(ORPHAN)
    })
    return ok('all is well', 201)
  },
  twoPersons: async ({ tenancy, body }) => {
    await tenancy.transaction(async (db) => {
      for (const email of [body, body.toUpperCase()])
        await db.query('insert into person values ($1)', [email])
    })
    return ok('all is well')
  },
  twoTransactions: async ({ tenancy, body }) => {
    await tenancy.transaction((db) => db.query('insert into notes (body) values ($1)', [`${body} 1`]))
    await tenancy.transaction((db) => db.query('insert into notes (body) values ($1)', [`${body} 2`]))
    throw new Error('secret 1234')
  },
  slow: async ({ tenancy }) => {
    await tenancy.transaction((db) => db.query('select pg_sleep(30)'), { statementTimeout: 50 })
    return ok('never')
  },
  broken: async ({ tenancy }) => ok(await tenancy.query('select secret_column from notes')),
}
